"""A person drops pictures on a server's page. Arguments: its address, that of one that wants the token "secret", and
the folder of models of both.

Pictures of it go to target/browser/page/.
"""

import base64
import io
import json
import os
import re
import shutil
import sys
import time
import urllib.request
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import expect

from lab import browser_page

OPEN, CLOSED = sys.argv[1:3]
MODELS = Path(sys.argv[3])
# The newest version of `colours`: a number that a browser would round.
NEWEST = str(2**53 + 1)
PICTURES = Path(__file__).resolve().parents[2] / "target" / "browser" / "page"


def picture(size, colour):
    image = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(image)
    draw.ellipse([size[0] * 0.4, size[1] * 0.4, size[0] * 0.6, size[1] * 0.6], fill="black")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


RED, WIDE = picture((60, 40), "red"), picture((3000, 200), "blue")


class Page:
    def __init__(self, page):
        self.page, self.shots = page, 0
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.problems.append(message.text))

    def says(self, text, wrong=False):
        """Waits for what the page says."""
        say = self.page.locator("#say")
        expect(say).to_contain_text(re.compile(text))
        assert ("wrong" in (say.get_attribute("class") or "")) == wrong, say.text_content()

    def shot(self, name):
        self.shots += 1
        self.page.screenshot(path=PICTURES / f"{self.shots}-{name}.png", full_page=True)

    def choose(self, name, content, kind="image/png"):
        self.page.locator("#file").set_input_files({"name": name, "mimeType": kind, "buffer": content})

    def drop(self, target, name, content):
        """Drops a file on an element."""
        transfer = self.page.evaluate_handle(
            """([name, content]) => {
                const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], name, {type: "image/png"}));
                return transfer;
            }""",
            [name, base64.b64encode(content).decode()],
        )
        self.page.dispatch_event(target, "dragover", {"dataTransfer": transfer})
        self.page.dispatch_event(target, "drop", {"dataTransfer": transfer})

    def rows(self):
        return self.page.locator("#table tbody tr")

    def fits(self):
        """Nothing is wider than the window."""
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def classes(it):
    page = it.page
    page.goto(OPEN)
    expect(page.locator("#model option")).to_have_text(["colours", "detector"])
    expect(page.locator("#token")).to_be_hidden()
    expect(page.locator("#table")).to_be_hidden()
    it.shot("before")
    # With the keyboard alone one comes to the file.
    places = []
    for _ in range(4):
        page.keyboard.press("Tab")
        places.append(page.evaluate("document.activeElement.id"))
    assert places[:3] == ["model", "version", "file"], places

    it.choose("red.png", RED)
    it.says(rf"red\.png\. colours, version {NEWEST}, \d+ ms")
    expect(it.rows()).to_have_count(3)
    expect(it.rows().first).to_contain_text(re.compile(r"red\s*(9\d|100)\.\d %"))
    expect(page.locator("#canvas")).to_have_attribute("aria-label", re.compile("red.png, red [19]"))
    it.shot("classes")
    # Not on the field: the page takes it all the same.
    it.drop("h1", "wide.png", WIDE)
    it.says(rf"wide\.png\. colours, version {NEWEST}")
    expect(it.rows().first).to_contain_text("blue")
    expect(page.locator("#version option")).to_have_text(["latest", NEWEST, "1"])
    for version in ("1", NEWEST, "1"):
        page.locator("#version").select_option(version)
        it.says(rf"wide\.png\. colours, version {version},")
    it.fits()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 340, "height": 700})
    it.fits()
    it.shot("wide-narrow-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1000, "height": 900})


def boxes(it):
    page = it.page
    page.locator("#model").select_option("detector")
    it.says(r"wide\.png: \d+ found|wide\.png: nothing found")
    expect(page.locator("#version")).to_be_hidden()
    ink = "document.getElementById('canvas').toDataURL()"
    page.locator("#least").fill("100")
    page.locator("#least").press("Enter")
    it.says("nothing found")
    expect(page.locator("#table")).to_be_hidden()
    before = page.evaluate(ink)
    page.locator("#least").fill("0")
    page.locator("#least").press("Enter")
    it.says(r"wide\.png: [1-9]\d* found. detector, version 1")
    assert page.evaluate(ink) != before, "boxes are drawn"
    expect(it.rows().first.locator(".mark")).to_be_visible()
    it.fits()
    it.drop("#drop", "red.png", picture((400, 300), "#eee"))
    it.says(r"red\.png: [1-9]\d* found")
    it.shot("boxes")


def until_served(name, versions):
    """Waits until a model answers in these versions."""
    for _ in range(300):
        with urllib.request.urlopen(OPEN + "v1/models") as answer:
            models = json.load(answer)["models"]
        served = {model["name"]: model["versions"] for model in models}
        if served[name] == versions:
            return
        time.sleep(0.1)
    raise AssertionError(served)


def updates(it):
    """Versions come and go while the page is open."""
    page = it.page
    expect(page.locator("#model")).to_have_value("detector")
    # In one step, so that the server sees all of it.
    shutil.copytree(MODELS / "detector" / "1", MODELS.parent / "new")
    os.rename(MODELS.parent / "new", MODELS / "detector" / "2")
    until_served("detector", ["2"])
    it.drop("#drop", "red.png", RED)
    it.says(r"red\.png: [1-9]\d* found. detector, version 2,")
    expect(page.locator("#version")).to_be_hidden()

    page.locator("#model").select_option("colours")
    it.says(rf"red\.png\. colours, version {NEWEST},")
    page.locator("#version").select_option("1")
    it.says(r"red\.png\. colours, version 1,")
    os.rename(MODELS / "colours" / "1", MODELS.parent / "old")
    until_served("colours", [NEWEST])
    it.choose("wide.png", WIDE)
    it.says("serves no version 1", wrong=True)
    # It is not offered any more.
    expect(page.locator("#version")).to_be_hidden()
    it.choose("wide.png", WIDE)
    it.says(rf"wide\.png\. colours, version {NEWEST},")
    # A second one is.
    os.rename(MODELS.parent / "old", MODELS / "colours" / str(2**53 + 2))
    until_served("colours", [NEWEST, str(2**53 + 2)])
    it.choose("red.png", RED)
    it.says(rf"red\.png\. colours, version {2**53 + 2},")
    expect(page.locator("#version")).to_be_visible()
    expect(page.locator("#version")).to_have_value("")


def mistakes(it):
    it.choose("notes.txt", b"not a picture", "text/plain")
    it.says("expected the bytes of a JPEG or PNG file", wrong=True)
    expect(it.page.locator("#table")).to_be_hidden()
    expect(it.page.locator("#canvas")).to_be_hidden()
    it.choose("broken.png", RED[:60])
    it.says("expected", wrong=True)
    it.choose("large.png", RED + bytes(200_000))
    it.says("large.png has 0.2 MiB; the server takes 0.1 MiB at most", wrong=True)
    it.shot("too-large")
    it.choose("red.png", RED)
    it.says(r"red\.png\. colours")


def early(it):
    """A picture is dropped before a model is there."""
    page = it.page
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": [], "max_request_bytes": 1 << 16}))
    page.goto(OPEN)
    it.says("No model here takes pictures.", wrong=True)
    page.unroute("**/v1/models")
    it.drop("#drop", "red.png", RED)
    it.says(rf"red\.png\. colours, version {2**53 + 2},")


def token(it):
    page = it.page
    page.goto(CLOSED)
    it.says("The server wants a token.", wrong=True)
    it.shot("token")
    page.locator("#token").fill("wrong")
    page.locator("#token").press("Enter")
    it.says("The server takes another token.", wrong=True)
    page.locator("#token").fill("secret")
    page.locator("#token").press("Enter")
    expect(page.locator("#model option")).to_have_text(["colours", "detector"])
    it.choose("red.png", RED)
    it.says(rf"red\.png\. colours, version {2**53 + 2},")


PICTURES.mkdir(parents=True, exist_ok=True)
for old in PICTURES.glob("*.png"):
    old.unlink()
with browser_page() as page:
    page.set_viewport_size({"width": 1000, "height": 900})
    it = Page(page)
    for part in (classes, boxes, updates, mistakes, early, token):
        part(it)
    # Refusals are told to the browser's console, too; nothing else went wrong.
    problems = [problem for problem in it.problems if "Failed to load resource" not in problem]
    assert not problems, problems
