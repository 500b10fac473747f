"""The report: its JSON, its page, and that neither is ever half written."""

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from rsae.evaluation.attribution import Attribution, Step
from rsae.evaluation.comparison import Comparison
from rsae.evaluation.latents import LATENTS
from rsae.evaluation.metrics import Metric
from rsae.report.latents import LISTED
from rsae.report.report import Report
from rsae.report.wording import shown
from rsae.storage.writing import write_text
from tests.rsae.material.reports import NAMES, evidence, report


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report's two files, written once."""
    folder = tmp_path_factory.mktemp("saved")
    report().save(folder)
    return folder


class Page(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_json_has_the_promised_structure(saved: Path) -> None:
    tree = json.loads((saved / "report.json").read_text())
    assert list(tree["columns"]) == list(NAMES)
    for column in tree["columns"].values():
        for metric in column.values():
            assert set(metric) == {"value", "definition"}
    assert tree["columns"]["upgraded"]["mse"]["value"] == 1.8
    assert tree["columns"]["teacher"]["loss_recovered"]["value"] is None
    assert tree["question"]["seed"] == 3
    assert tree["verdict"] == report().verdict


def test_the_page_needs_no_network_and_runs_its_own_script_alone(saved: Path) -> None:
    page = Page((saved / "report.html").read_text())
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"link", "iframe", "object", "embed"})
    sources = [value for _, attrs in page.tags for key in ("src", "srcset") if (value := attrs.get(key))]
    assert len(sources) == 6
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    policies = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    (script,) = re.findall("<script>(.*?)</script>", (saved / "report.html").read_text(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # This one script, of which every byte is known, and neither another one nor the network.
    assert policies == [f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"]
    assert not any(word in script for word in ("fetch(", "import", "http", "XMLHttp", "eval", "innerHTML"))
    assert not any(attrs for tag, attrs in page.tags if tag == "script")
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "url(" not in (saved / "report.html").read_text()
    targets = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = [attrs["href"] or "" for tag, attrs in page.tags if tag == "a"]
    assert links
    assert {link.removeprefix("#") for link in links} <= targets
    assert all(link.startswith("#") for link in links)
    assert any(tag == "meta" and attrs.get("name") == "viewport" for tag, attrs in page.tags)


def test_the_page_says_everything_and_escapes_it(saved: Path) -> None:
    text = (saved / "report.html").read_text()
    page = Page(text)
    for wanted in (
        "It is <5.9%> lower",
        "1.800",
        "16.00",
        "undefined",
        "-5.88%",
        "5.9% higher: worse",
        "3 of 4 latents kept it",
        "Once <upon>",
        "No pole on [0, 1].proved, sha256:ab12",
        "75.0%",
        "+2.0",
        "-3.2%",
        "<summed> over d_in",
        "Use the upgraded SAE: ",
        "labels: they carry over only for 2 of the 3 latents that fire",
        "raises  <time> +3.25",
        "codes from 0 to 2.5",
        "All arms train at 0.00025. It was chosen on the control alone",
    ):
        assert wanted in page.text
    assert "<5.9%>" not in text
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")


def test_the_same_report_gives_the_same_bytes(saved: Path) -> None:
    assert report().to_html() == (saved / "report.html").read_text()


def test_load_reads_what_save_wrote(saved: Path) -> None:
    again = Report.load(saved / "report.json")
    assert again.to_json() == report().to_json()
    assert math.isnan(again.columns["teacher"]["loss_recovered"].value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "rsae report 1"}', '{"format": "other"}', "[" * 5000])
def test_load_refuses_other_files(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ValueError, match="is not a report of the format"):
        Report.load(tmp_path / "report.json")
    with pytest.raises(FileNotFoundError, match="no report at"):
        Report.load(tmp_path / "absent.json")


def test_a_report_without_curves_or_question_is_a_page_too() -> None:
    small = Report({"teacher": {"mse": Metric(1.0, "squared error")}}, {}, "Nothing was trained.")
    assert "Nothing was trained." in small.to_html()


def test_a_report_from_before_the_fixed_denominator_keeps_its_names(tmp_path: Path) -> None:
    """Its curve had a trainable denominator, and the arm without the norm share was called `ratio`."""
    arms = ("teacher", "fixed_denominator", "ratio", "upgraded")
    added = ("", "the ratio tau / h", "the trainable denominator", "the norm share")
    steps = tuple(
        Step(arm, what, Comparison("mse", before, -0.5, 3.0, -0.6, -0.4, "tokens"))
        for before, arm, what in zip(arms, arms[1:], added[1:], strict=False)
    )
    columns = {name: {"mse": Metric(1.0, ""), "l0": Metric(4.0, "")} for name in (*arms, "polynomial")}
    part = Attribution("mse", 3.0, steps, "upgraded", "ratio").to_json()
    Report(columns, {"inputs": ["ratio", "norm"]}, "", attribution={"mse": part}).save(tmp_path)
    again = Report.load(tmp_path / "report.json")
    assert again.asked.denominator == "trainable"
    page = Page(again.to_html()).text
    assert "an older name of trainable denominator" in page
    assert "an older name of fixed denominator" in page
    assert again.attribution["mse"]["steps"][1]["what"] == "the trainable denominator"


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report().save(tmp_path)
    before = (tmp_path / "report.json").read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rsae.storage.writing.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Report(report().columns, {}, "another").save(tmp_path)
    assert (tmp_path / "report.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_write_text_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_text(tmp_path / "absent" / "file.txt", "text")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0000"), (1.0, "1.0000"), (0.123456, "0.1235"), (1794.04, "1794.0"), (-0.00321, "-0.003210")],
)
def test_shown_rounds_for_a_table(value: float, text: str) -> None:
    assert shown(Metric(value, "")) == text


def test_shown_gives_the_standard_error_beside_the_mean() -> None:
    assert shown(Metric(1.5, "", standard_error=0.0123)) == "1.500 ± 0.012"
    assert shown(Metric(1.5, "", standard_error=math.nan)) == "1.500"


def test_contrast_of_every_colour_of_text_meets_the_guideline() -> None:
    """WCAG 2.2, level AA: 4.5 to 1 against the lightest and the tinted ground."""
    style = (files("rsae.report") / "templates" / "style.css").read_text()
    colours = dict(part.split(": ") for part in style.split("{")[1].split("}")[0].strip(" ;").split("; "))
    for ink in ("--ink", "--soft", "--edge"):
        for ground in ("#ffffff", colours["--mark"], colours["--tint"]):
            assert contrast(colours[ink], ground) >= 4.5, (ink, ground)
    assert contrast(colours["--ink"], "#ffe08a") >= 4.5


def contrast(first: str, second: str) -> float:
    """The ratio of relative luminances as WCAG defines it, from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted(map(luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def test_latents_have_stable_addresses_and_what_is_found_in_them(saved: Path) -> None:
    page = Page((saved / "report.html").read_text())
    assert [attrs["id"] for _, attrs in page.tags if "data-latent" in attrs] == [f"latent-{i}" for i in range(4)]
    shades = [(tag, attrs["class"]) for tag, attrs in page.tags if tag == "mark" or attrs.get("class") == "s2"]
    # Twice: among those that changed most, and in the order of their number.
    assert sorted(shades) == [("mark", "s5")] * 4 + [("span", "s2")] * 2
    fields = [attrs["id"] for tag, attrs in page.tags if tag == "input"]
    assert fields == ["search"]
    assert any(attrs.get("id") == "searching" and "hidden" in attrs for _, attrs in page.tags), "without a script"


def test_the_page_of_a_wide_sae_stays_small_enough_to_open() -> None:
    """A latent with all that a report says of one takes 1.7 kB, and there are 2500 at most; others take less."""
    count, shown = 2**13, 200
    words = [[" something like", 0], [" a word", 3], [" and more of the text", 0]]
    context = [words, [[" token", 5]], words, 1, 2]
    tree = evidence()
    tree["continuity"] |= {
        "changed": [],
        "order": list(range(count)),
        "latents": dict.fromkeys(("cosine", "overlap", "rate_before", "rate_after"), [0.9] * count),
        "contexts": {str(i): [context] * 5 for i in range(shown)},
    }
    tree["latents"] |= {
        "maximum": [3.0] * count,
        "cofiring": [0.9] * count,
        "counts": {str(i): list(range(12)) for i in range(shown)},
        "promoted": {str(i): [[" word", 1.25]] * 8 for i in range(shown)},
    }
    page = Report({}, {}, "", **tree).to_html()
    _, *details = page.split('id="latent-')
    assert len(details) == LISTED
    assert max(len(part.encode()) for part in details[: shown - 1]) * LATENTS < 6e6
    assert f"{LISTED} of {count} are listed" in page
    assert f'id="latent-{LISTED - 1}"' in page
    assert f'id="latent-{LISTED}"' not in page
