"""A person works through the quickstart. Pictures of it go to target/browser/."""

import shutil
from pathlib import Path

import pytest

from lab import Notebook, browser_page, server

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "target" / "browser"
# For all cells of the quickstart, on a machine with other work.
ALL_CELLS = 300


@pytest.fixture
def notebook(tmp_path):
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(ROOT / "notebooks" / "01_quickstart.ipynb", folder / "quickstart.ipynb")
    with server(folder, tmp_path) as (address, token), browser_page() as page:
        yield Notebook(page, address, token, "quickstart.ipynb", PICTURES)


def see_it_move(notebook, fit, name):
    """Waits until the live output of a running `fit` has changed three times, in its bar and in its curves."""
    bar, curves = fit.locator(".jp-Cell-outputArea progress"), fit.locator(".jp-Cell-outputArea img").first
    notebook.wait_until(lambda: bar.count() and curves.count(), "the live curves")
    seen = []
    for number in range(4):
        state = notebook.wait_until(
            lambda: notebook.count(fit) == "*"
            and (now := (bar.get_attribute("value"), curves.get_attribute("src"))) not in seen
            and now,
            "a move of the curves while the cell runs",
        )
        seen.append(state)
        fit.scroll_into_view_if_needed()
        notebook.picture(f"{name}-{number + 1}")
    bars, pictures = zip(*seen)
    places = [float(value) for value in bars]
    assert places == sorted(places) and places[0] < places[-1], bars
    assert len(set(pictures)) > 1


def test_a_person_works_through_the_quickstart(notebook):
    page = notebook.page
    fit = notebook.cell("learner.fit(12)?;")
    notebook.picture("1-opened")
    assert not any(notebook.counts())

    notebook.menu("Run", "Run All Cells")
    see_it_move(notebook, fit, "2-fit")
    notebook.wait_until(notebook.finished, "the end of all cells", ALL_CELLS)
    assert notebook.counts() == [str(number) for number in range(1, len(notebook.counts()) + 1)]
    assert not page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count()
    assert "12 epochs" in notebook.text(fit)
    same = notebook.cell("the same predictions")
    assert "the same predictions for all 269 images" in notebook.text(same)
    notebook.cell("confusion_matrix").scroll_into_view_if_needed()
    notebook.picture("3-all-cells-ran")

    notebook.run(fit)
    see_it_move(notebook, fit, "4-fit-again")
    notebook.interrupt()
    notebook.wait_until(lambda: notebook.count(fit) != "*", "the interrupt")
    assert "interrupted in epoch" in notebook.text(fit)
    assert "Interrupted" in notebook.text(fit)
    notebook.picture("5-interrupted")
    scratch = notebook.new_last_cell(same)
    assert notebook.value(scratch, "(test_accuracy >= 0.98, history.len())") == "(true, 16)"
    notebook.picture("6-variables-are-there")

    notebook.completions(scratch, "learner.f", "fit")
    notebook.picture("7-completion")
    page.keyboard.press("Escape")
    notebook.type(scratch, "learner.data().test.len()")

    notebook.menu("Kernel", "Restart Kernel and Run All Cells")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    notebook.wait_until(lambda: "*" in notebook.counts(), "the restart")
    notebook.wait_until(notebook.finished, "the end of all cells", ALL_CELLS)
    assert notebook.counts() == [str(number) for number in range(1, len(notebook.counts()) + 1)]
    assert "the same predictions for all 269 images" in notebook.text(same)
    assert notebook.text(scratch).strip().isdigit()
    scratch.scroll_into_view_if_needed()
    notebook.picture("8-restarted-and-ran-all")
