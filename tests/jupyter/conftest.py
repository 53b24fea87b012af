"""An installed kernel, found as Jupyter finds it: JUPYTER_PATH first, then the environment, then the user's folder.

SCONCE names a program to test instead; it is installed into a folder of this run. SCONCE_KERNEL is the kernel's
name, `sconce` unless it says otherwise.
"""

import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager

KERNEL = os.environ.get("SCONCE_KERNEL", "sconce")
# The first cell of all may have to wait for another test's compile on a busy machine.
TIMEOUT = 60.0


if program := os.environ.get("SCONCE"):
    folder = tempfile.TemporaryDirectory(prefix="sconce-tests-")
    install = [Path(program).resolve(), "install", "--no-assist", "--prefix", folder.name]
    subprocess.run(install, check=True)
    # Clients in processes of their own look here too.
    os.environ["JUPYTER_PATH"] = str(Path(folder.name) / "share" / "jupyter")


@dataclass
class Cell:
    """What a cell answered. `messages` are those on iopub with their time of arrival."""

    reply: dict
    messages: list = field(default_factory=list)

    def of_type(self, msg_type):
        return [content for _, kind, content in self.messages if kind == msg_type]

    @property
    def status(self):
        return self.reply["status"]

    def stream(self, name):
        return "".join(c["text"] for c in self.of_type("stream") if c["name"] == name)

    @property
    def stdout(self):
        return self.stream("stdout")

    @property
    def result(self):
        results = self.of_type("execute_result")
        assert len(results) <= 1, results
        return results[0]["data"]["text/plain"] if results else None

    @property
    def error(self):
        """One text: name, message, traceback; None for a cell that went well."""
        errors = self.of_type("error")
        assert len(errors) == (self.status == "error"), (self.reply, errors)
        return "\n".join([errors[0]["ename"], errors[0]["evalue"], *errors[0]["traceback"]]) if errors else None


class Kernel:
    """A running kernel and a client of it."""

    def __init__(self):
        self.manager = KernelManager(kernel_name=KERNEL)
        self.manager.start_kernel()
        self.connect()

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)

    @property
    def process(self):
        return psutil.Process(self.manager.provisioner.process.pid)

    def workers(self):
        """The processes that the kernel has started to run cells and that are alive; the compilers come and go."""
        alive = (psutil.STATUS_RUNNING, psutil.STATUS_SLEEPING, psutil.STATUS_DISK_SLEEP)
        workers = (child for child in self.process.children() if child.name() == "sconce-worker")
        return [worker for worker in workers if worker.status() in alive]

    def send(self, code, **options):
        return self.client.execute(code, **options)

    def finish(self, msg_id, timeout=TIMEOUT, on_message=None):
        """Collects the cell's messages up to its idle, and its reply."""
        cell = Cell(reply={})
        deadline = time.monotonic() + timeout
        while True:
            message = self.client.get_iopub_msg(timeout=max(deadline - time.monotonic(), 0.01))
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            content = message["content"]
            cell.messages.append((time.monotonic(), message["msg_type"], content))
            if on_message:
                on_message(message["msg_type"], content)
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
        while not cell.reply:
            message = self.client.get_shell_msg(timeout=max(deadline - time.monotonic(), 0.01))
            if message["parent_header"].get("msg_id") == msg_id:
                cell.reply = message["content"]
        return cell

    def run(self, code, timeout=TIMEOUT, on_message=None, **options):
        return self.finish(self.send(code, **options), timeout, on_message)

    def value(self, code):
        """The result of a cell that has to go well."""
        cell = self.run(code)
        assert cell.status == "ok", cell.error
        return cell.result

    def interrupt_by_message(self):
        self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))

    def interrupt_by_signal(self):
        os.kill(self.process.pid, signal.SIGINT)

    def stop(self):
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=False)


def wait_until(condition, what, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} s"
        time.sleep(0.02)


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped:
        # What is not there is not tested: that must not look like success.
        report.outcome, report.longrepr = "failed", f"{item.nodeid} was skipped: {report.longrepr}"
    return report
