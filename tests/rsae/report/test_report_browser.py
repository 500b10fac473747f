"""The page in a browser without JavaScript and without a network: nothing sticks out, details open, print is short."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from matplotlib.image import imread

from tests.rsae.material.reports import report

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> str:
    """The command of a Chromium; the test skips where there is none."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no browser to look at the page with: none of {', '.join(BROWSERS)} is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    report().save(folder)
    return folder / "report.html"


def run(browser: str, folder: Path, *options: str) -> str:
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command += [f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


FRAME = """<!DOCTYPE html><title>none</title>
<script>onmessage = (message) => {{ document.title = message.data; }}</script>
<iframe src="probe.html" style="width: {width}px; height: 900px; border: 0"></iframe>"""
POLICY = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
MEASURE = """
<script>
addEventListener("load", () => {
  const out = [];
  for (const box of document.querySelectorAll("body *")) {
    const scrolls = box.closest(".wide, details:not([open])");
    if (!scrolls && box.getBoundingClientRect().right > innerWidth + 1) out.push(box.tagName + ": " + box.innerText);
  }
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  const mark = document.querySelector("mark").getBoundingClientRect();
  parent.postMessage(JSON.stringify({width: innerWidth, out, mark: mark.width > 0, headings:
    [...document.querySelectorAll("h1, h2, h3")].map((one) => one.tagName), images:
    [...document.images].every((one) => one.complete && one.naturalWidth > 0)}), "*");
});
</script>
"""


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_sticks_out_at_phone_tablet_and_desktop_width(
    browser: str, page: Path, tmp_path: Path, width: int
) -> None:
    # The script measures; the page itself has none and forbids them.
    probe = tmp_path / "probe.html"
    probe.write_text(POLICY.sub("", page.read_text()).replace("</body>", MEASURE + "</body>"))
    # A window of a browser without a screen is 500 pixels wide or more, so the page is laid out in a frame.
    outer = tmp_path / "outer.html"
    outer.write_text(FRAME.format(width=width))
    shown = run(browser, tmp_path, "--window-size=1400,900", "--virtual-time-budget=5000", "--dump-dom", outer.as_uri())
    found = json.loads(shown.split("<title>")[1].split("</title>")[0].replace("&gt;", ">"))
    assert found["width"] == width
    assert found["out"] == []
    assert found["mark"], "contexts show when a latent is opened"
    assert found["images"]
    assert found["headings"][0] == "H1"
    assert found["headings"].count("H1") == 1
    assert found["headings"][1] == "H2"


def test_the_page_draws_itself_while_it_forbids_scripts_and_the_network(
    browser: str, page: Path, tmp_path: Path
) -> None:
    shot = tmp_path / "shot.png"
    run(browser, tmp_path, "--window-size=360,700", f"--screenshot={shot}", page.as_uri())
    image = imread(shot)[..., :3]
    assert image.shape == (700, 360, 3)
    ink = float((image.min(axis=2) < 0.9).mean())
    assert 0.05 < ink < 0.6


def test_it_prints_on_a_few_pages(browser: str, page: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    run(browser, tmp_path, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page.as_uri())
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF")
    assert 2 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 8
