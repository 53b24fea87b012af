"""Every form in JupyterLab, on light and dark ground, in a wide and a narrow window, and converted to a page.

The pictures go to target/browser/forms/.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from lab import Notebook, browser_page, server

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "examples" / "forms" / "gallery"
PICTURES = ROOT / "target" / "browser" / "forms"
WINDOWS = {"wide": 1400, "narrow": 700}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# High enough for the outputs of a cell to be seen at once.
HEIGHT = 12_000
# For all cells, on a machine with other work.
ALL_CELLS = 300


def notebook_of_forms():
    """A notebook whose cells show the forms of examples/forms, one cell for each file; and their names by cell."""
    listed = re.findall(r'\("\w+", \|\| shown\((\w+)::(\w+)\(\)\)\)', (GALLERY / "mod.rs").read_text())
    assert len(listed) > 60, listed
    files = list(dict.fromkeys(file for file, _ in listed))
    # What others build on comes first.
    files.sort(key=lambda file: file != "models")
    forms = {file: [name for of, name in listed if of == file] for file in files}
    cells = [("prelude", "use sconce::prelude::*;")]
    for file, names in forms.items():
        cells.append((f"mod-{file}", f"mod {file} {{\n{(GALLERY / f'{file}.rs').read_text()}}}"))
        cells.append((file, "\n".join(shows(file, name) for name in names)))
    code = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    return forms, {
        "cells": [{**code, "id": name, "source": source} for name, source in cells],
        "metadata": {"kernelspec": {"display_name": "Rust (Sconce)", "language": "rust", "name": "sconce"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def shows(file, name):
    """What shows a form below its name: a form that takes time may show how far it is before."""
    return f'println!("{file}::{name}");\ndisplay(&{file}::{name}()?);'


def by_name(outputs, name_of):
    """Of the outputs below each name the last."""
    forms, name = {}, None
    for output in outputs:
        if (said := name_of(output)) is not None:
            name = said.strip()
        else:
            forms[name] = output
    return forms


def set_theme(state, theme):
    path = state / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"theme": THEMES[theme], "adaptive-theme": False}))


def shown(page):
    """What stands under the cells: of each output its kind, its pictures, and how far it goes beyond its place."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.jp-Notebook .jp-OutputArea-output')].map(output => ({
            mime: output.dataset.mimeType,
            text: output.innerText,
            images: [...output.querySelectorAll('img')].map(image => ({
                alt: image.alt, loaded: image.complete && image.naturalWidth > 0,
                beyond: image.getBoundingClientRect().right - output.getBoundingClientRect().right,
            })),
            scripts: output.querySelectorAll('script').length,
            beyond: output.scrollWidth - output.clientWidth,
        }))"""
    )


def said(output):
    return output["text"] if output["mime"] == "application/vnd.jupyter.stdout" else None


def check(outputs, wanted, window):
    assert outputs.keys() == wanted.keys()
    for name, data in wanted.items():
        output = outputs[name]
        html = "".join(data.get("text/html", ""))
        where = f"{name} in the {window} window"
        # What has HTML is shown as that, not as the text beside it.
        assert output["mime"] == ("text/html" if html else "text/plain"), (where, output["mime"])
        assert output["scripts"] == 0 and "<script" not in html, where
        assert len(output["images"]) == html.count("<img "), where
        for image in output["images"]:
            assert image["loaded"], where
            assert len(image["alt"].strip()) > 3, (where, image["alt"])
            assert image["beyond"] <= 1, (where, image)
        assert output["beyond"] <= 1, (where, output["beyond"])


def wait_for_pictures(page):
    page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-OutputArea-output img')].every(image => image.complete)"
    )


def test_every_form_in_jupyterlab(tmp_path):
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    folder = tmp_path / "notebooks"
    folder.mkdir()
    file = folder / "forms.ipynb"
    forms, notebook = notebook_of_forms()
    file.write_text(json.dumps(notebook))
    names = {f"{of}::{name}" for of, names in forms.items() for name in names}
    set_theme(tmp_path, "light")
    with server(folder, tmp_path) as (address, token), browser_page() as page:
        lab = Notebook(page, address, token, file.name, PICTURES)
        lab.menu("Run", "Run All Cells")
        lab.wait_until(lab.finished, "the end of all cells", ALL_CELLS)
        # The notebook and nothing beside it.
        page.keyboard.press("Control+b")
        page.keyboard.press("Control+s")
        saved = lab.wait_until(lambda: saved_outputs(file, len(forms)), "the saved outputs")
        saved = by_name(saved, lambda output: "".join(output["text"]) if output["output_type"] == "stream" else None)
        wanted = {name: output["data"] for name, output in saved.items()}
        assert wanted.keys() == names
        for theme in THEMES:
            if theme != "light":
                set_theme(tmp_path, theme)
                page.reload()
                page.locator(".jp-Notebook .jp-OutputArea-output").first.wait_for(timeout=60_000)
            lab.wait_until(
                lambda: page.evaluate("document.body.dataset.jpThemeName") == THEMES[theme], f"the {theme} theme"
            )
            for window, width in WINDOWS.items():
                page.set_viewport_size({"width": width, "height": HEIGHT})
                wait_for_pictures(page)
                for of in forms:
                    cell = page.locator(".jp-Notebook .jp-CodeCell", has_text=f"display(&{of}::").last
                    cell.locator(".jp-Cell-outputWrapper").screenshot(path=PICTURES / f"{of}-{theme}-{window}.png")
                check(by_name(shown(page), said), wanted, window)

        page.set_viewport_size({"width": WINDOWS["wide"], "height": HEIGHT})
        check_converted(page, file, wanted)


def saved_outputs(file, cells):
    """The outputs in a notebook's file, once so many cells have any there."""
    try:
        outputs = [cell["outputs"] for cell in json.loads(file.read_text())["cells"]]
    except ValueError:
        # It is just being written.
        return None
    return sum(outputs, []) if sum(map(bool, outputs)) == cells else None


def check_converted(page, file, wanted):
    """As a page by nbconvert, without a network: every picture is there, and no output brings a script."""
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", file.name]
    subprocess.run(command, cwd=file.parent, check=True, capture_output=True, timeout=120)
    page.route("http*://**", lambda route: route.abort())
    page.goto(file.with_suffix(".html").as_uri(), wait_until="domcontentloaded")
    wait_for_pictures(page)
    page.screenshot(path=PICTURES / "nbconvert.png")
    outputs = page.evaluate(
        """() => [...document.querySelectorAll('.jp-OutputArea-output')].map(output => ({
            mime: output.dataset.mimeType, text: output.innerText,
            images: [...output.querySelectorAll('img')].filter(image => image.naturalWidth > 0 && image.alt).length,
            scripts: output.querySelectorAll('script').length,
        }))"""
    )
    assert not any(output["scripts"] for output in outputs)
    outputs = by_name(outputs, lambda output: output["text"] if output["mime"] == "text/plain" and "::" in output["text"] else None)
    for name, data in wanted.items():
        assert outputs[name]["images"] == "".join(data.get("text/html", "")).count("<img "), name
