"""The quickstart, and small sessions, in the clients that people use."""

import subprocess
import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from conftest import KERNEL

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "notebooks" / "01_quickstart.ipynb"
# For all of the quickstart, on a machine with other work.
TIMEOUT = 300


def run(*command, **options):
    ended = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=TIMEOUT, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def assert_executed(notebook):
    """Every cell ran once, in order, without an error, and pictures stand beside their text."""
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    forms = {mime for output in outputs for mime in output.get("data", {})}
    assert "text/plain" in forms and forms & {"image/png", "image/svg+xml", "text/html"}, forms
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "the same predictions for all" in printed


def test_nbclient_executes_the_quickstart():
    notebook = nbformat.read(QUICKSTART, as_version=4)
    manager = AsyncKernelManager(kernel_name=KERNEL)
    resources = {"metadata": {"path": QUICKSTART.parent}}
    NotebookClient(notebook, km=manager, timeout=TIMEOUT, resources=resources).execute()
    assert_executed(notebook)


def test_papermill_executes_the_quickstart(tmp_path):
    out = tmp_path / "out.ipynb"
    run("papermill", "--kernel", KERNEL, str(QUICKSTART), str(out), cwd=QUICKSTART.parent)
    assert_executed(nbformat.read(out, as_version=4))


def write_notebook(path, sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    metadata = {"kernelspec": {"display_name": "Rust (Sconce)", "language": "rust", "name": KERNEL}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


def test_nbmake_passes_the_quickstart():
    command = ["pytest", "--nbmake", f"--nbmake-kernel={KERNEL}", "-p", "no:cacheprovider", str(QUICKSTART)]
    assert "1 passed" in run(*command)


def test_nbmake_names_the_cell_that_fails(tmp_path):
    write_notebook(tmp_path / "failing.ipynb", ["let x = 1;", "assert_eq!(x, 2);"])
    command = [sys.executable, "-m", "pytest", "--nbmake", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=tmp_path)
    assert ended.returncode == 1, ended.stdout
    assert "assert_eq!(x, 2);" in ended.stdout and "1 failed" in ended.stdout, ended.stdout


def console(*lines):
    """What `jupyter console` shows; without a terminal it reads its input line by line."""
    command = [sys.executable, "-m", "jupyter_console", "--kernel", KERNEL, "--simple-prompt"]
    text = "".join(f"{line}\n" for line in [*lines, "exit"])
    ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT)
    return ended.stdout + ended.stderr


def test_console():
    shown = console("let x = 20;", "x + 1", 'println!("x is {x}");', "missing", "x + 2")
    for part in ("21", "x is 20", "E0425", "22"):
        assert part in shown, shown
