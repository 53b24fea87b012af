"""JupyterLab in headless Chromium, driven as a person would."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

# Under a page's own name, so that no question about news or updates covers the notebook.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Cells that are scrolled out of sight stay in the page.
    "notebook-extension/tracker": {"windowingMode": "none"},
}
# Nothing leaves the machine, and a container's root may start it.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]


def chromium():
    """The path of an installed Chromium: SCONCE_CHROMIUM, or the first of its usual names."""
    names = [os.environ.get("SCONCE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    assert found, "no Chromium on the PATH: `apt-get install chromium`, or set SCONCE_CHROMIUM to its path"
    return found


@contextmanager
def server(folder, state):
    """A JupyterLab of `folder` that keeps its settings in `state`; gives its address and token."""
    for name, settings in SETTINGS.items():
        path = state / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    arguments = [
        "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
    ]
    with (state / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", *arguments], env=environment, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/api?token={token}", process, state / "server.log")
            yield address, token
        finally:
            # Also ends its kernels.
            process.terminate()
            process.wait(timeout=30)


def wait_for(url, process, log, timeout=60):
    deadline = time.monotonic() + timeout
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)


@contextmanager
def browser_page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        yield page
        browser.close()


class Notebook:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page, address, token, name, pictures):
        self.page, self.pictures = page, pictures
        page.goto(f"{address}/lab/tree/{name}?token={token}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
        page.locator(".jp-MainAreaWidget .jp-Spinner").wait_for(state="hidden", timeout=60_000)
        self.wait_until(lambda: self.kernel_status().endswith("Idle"), "the kernel's start")

    def wait_until(self, condition, what, timeout=60):
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                self.picture("failed")
                raise AssertionError(f"{what} did not happen within {timeout} s")
            self.page.wait_for_timeout(100)
        return value

    def kernel_status(self):
        """What the status bar says of the kernel."""
        return self.page.locator(".jp-StatusBar-TextItem", has_text="Rust (Sconce) |").first.text_content().strip()

    def picture(self, name):
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def menu(self, menu, entry):
        self.page.locator(".lm-MenuBar-item", has_text=menu).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=entry).first.click()

    def cell(self, text):
        """The code cell whose text contains `text`."""
        return self.page.locator(".jp-Notebook .jp-CodeCell", has=self.page.locator(".jp-Editor", has_text=text))

    def counts(self):
        prompts = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea .jp-InputPrompt").all_inner_texts()
        return [prompt.strip("[]: \n") for prompt in prompts]

    def count(self, cell):
        return cell.locator(".jp-InputArea .jp-InputPrompt").inner_text().strip("[]: \n")

    def text(self, cell):
        """What stands under a cell."""
        return "\n".join(cell.locator(".jp-Cell-outputArea .jp-OutputArea-output").all_inner_texts())

    def finished(self):
        return self.counts() and all(count.isdigit() for count in self.counts())

    def run(self, cell):
        """Runs a cell again from its editor."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def interrupt(self):
        self.page.locator('.jp-NotebookPanel [data-command="notebook:interrupt-kernel"]').first.click()

    def new_last_cell(self, last):
        """An empty cell below `last`; gives it."""
        cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        before = cells.count()
        last.locator(".jp-InputArea .jp-InputPrompt").click()
        self.page.keyboard.press("b")
        self.wait_until(lambda: cells.count() == before + 1, "the new cell")
        return cells.last

    def type(self, cell, text):
        """Writes `text` in the place of what stands in a cell."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def completions(self, cell, text, wanted):
        """Types a cell and presses Tab until the menu offers `wanted`: a kernel that is not ready has no answer."""
        self.type(cell, text)
        entries = self.page.locator(".jp-Completer-item")

        def ask():
            self.page.keyboard.press("Tab")
            self.page.wait_for_timeout(1000)
            return any(wanted in entry for entry in entries.all_inner_texts())

        self.wait_until(ask, f"the completion of `{text}`", 180)

    def value(self, cell, text):
        """Types a cell, runs it, and gives its result."""
        self.type(cell, text)
        before = self.count(cell)
        self.page.keyboard.press("Control+Enter")
        self.wait_until(lambda: self.count(cell).isdigit() and self.count(cell) != before, f"`{text}`")
        return self.text(cell).strip()
