"""The kernel under Jupyter's own clients."""

import subprocess
import sys
import time
from pathlib import Path

import jupyter_kernel_test
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from conftest import KERNEL

ROOT = Path(__file__).resolve().parents[2]


class TestKernel(jupyter_kernel_test.KernelTests):
    """All but completion and inspection, which the kernel answers with nothing yet, and paging."""

    kernel_name = KERNEL
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oops");'
    code_execute_result = [{"code": "6 * 7", "result": "42"}]
    code_generate_error = 'panic!("error");'
    code_display_data = [
        {"code": 'sconce_display::display(sconce_display::Bundle::text("x").html("<b>x</b>"));', "mime": "text/html"}
    ]
    code_clear_output = "sconce_display::clear(sconce_display::Wait::No);"
    complete_code_samples = ["1 + 1", "fn f() {}", "let x = 1;"]
    incomplete_code_samples = ["fn f() {", "let x = (1,", '"open']
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6 ?*"
    invalid_code_samples = ["fn f() { ) }"]


class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = KERNEL
    support_iopub_welcome = True


def test_nbclient_executes_the_quickstart():
    path = ROOT / "notebooks" / "01_quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)
    manager = AsyncKernelManager(kernel_name=KERNEL)
    started = time.monotonic()
    NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": path.parent}}).execute()
    took = time.monotonic() - started
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    forms = {mime for output in outputs for mime in output.get("data", {})}
    assert "text/plain" in forms and forms & {"image/png", "image/svg+xml", "text/html"}, forms
    assert took < 240, took


def test_console():
    # Without a terminal the console reads its input line by line.
    console = subprocess.run(
        [sys.executable, "-m", "jupyter_console", "--kernel", KERNEL, "--simple-prompt"],
        input="let x = 20;\nx + 1\nprintln!(\"x is {x}\");\nexit\n",
        capture_output=True, text=True, timeout=120,
    )
    assert "21" in console.stdout, console
    assert "x is 20" in console.stdout, console
