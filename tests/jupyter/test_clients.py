"""The quickstart, and small sessions, in the clients that people use."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pexpect
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


def console_lines(*lines):
    """What `jupyter console` shows; without a terminal it reads its input line by line."""
    command = [sys.executable, "-m", "jupyter_console", "--kernel", KERNEL, "--simple-prompt"]
    text = "".join(f"{line}\n" for line in lines)
    ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT)
    return ended.stdout + ended.stderr


def test_console_without_a_terminal():
    shown = console_lines("let x = 20;", "x + 1", 'println!("x is {x}");', "missing", "x + 2")
    for part in ("21", "x is 20", "E0425", "22"):
        assert part in shown, shown


class Console:
    """`jupyter console` in a terminal of its own, as a person has it."""

    # Colours, cursor movements and modes of the terminal.
    CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()=>][0-9AB]?|\x1b\][^\x07]*\x07|\r")

    def __init__(self, folder):
        arguments = ["-m", "jupyter_console", "--kernel", KERNEL]
        # Nobody answers where the cursor is.
        environment = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.child = pexpect.spawn(
            sys.executable,
            arguments,
            timeout=TIMEOUT,
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(50, 200),
            cwd=str(folder),
            env=environment,
        )
        self.raw = ""

    @property
    def shown(self):
        return self.CONTROL.sub("", self.raw)

    def wait_for(self, text):
        """Waits until `text` was shown; gives all that was."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.shown}"
            try:
                self.raw += self.child.read_nonblocking(65536, timeout=1)
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                raise AssertionError(f"the console has ended:\n{self.shown}") from None
        return self.shown

    def run(self, number, source):
        """Pastes a cell at its prompt and runs it."""
        self.wait_for(f"In [{number}]: ")
        self.child.send(f"\x1b[200~{source}\x1b[201~\r")

    def end(self):
        """Ends it at its prompt, by Ctrl-D."""
        self.child.send("\x04")
        self.wait_for("Do you really want to exit")
        self.child.send("y\r")
        self.child.expect(pexpect.EOF)
        self.child.close()


def test_console_runs_the_quickstart():
    cells = [cell.source for cell in nbformat.read(QUICKSTART, as_version=4).cells if cell.cell_type == "code"]
    console = Console(QUICKSTART.parent)
    for number, source in enumerate(cells, 1):
        console.run(number, source)
    # Its next prompt comes when the last cell has ended.
    shown = console.wait_for(f"In [{len(cells) + 1}]: ")
    console.end()
    for failure in ("error:", "error[", "panicked", "Interrupted"):
        assert failure not in shown, shown
    results = [number for number in range(1, len(cells) + 1) if f"Out[{number}]: " in shown]
    expected = [number for number, source in enumerate(cells, 1) if shows_result(source)]
    assert results == expected, (results, expected, shown)
    assert "the same predictions for all" in shown, shown


def shows_result(source):
    return not source.rstrip().endswith(";")
