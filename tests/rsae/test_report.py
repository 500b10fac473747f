"""The report: its JSON, its page, and that neither is ever half written."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rsae.comparison import Comparison
from rsae.metrics import Metric
from rsae.report import Report, shown, write_text

NAMES = ("teacher", "initialised", "upgraded", "control")


def report() -> Report:
    columns = {
        name: {
            "l0": Metric(16.0, "number of codes that are not exactly 0"),
            "mse": Metric(2.0 - 0.1 * i, "squared error |x - x_hat|^2 <summed> over d_in"),
            "loss_recovered": Metric(math.nan, "(ce_zero - ce_spliced) / (ce_zero - ce_clean)"),
        }
        for i, name in enumerate(NAMES)
    }
    gap = Comparison("mse", "control", -0.1, 1.7, -0.15, -0.05, "tokens")
    question = {"family": "topk", "d_in": 8, "d_sae": 16, "steps": 10, "seed": 3, "comparisons": [gap.to_json()]}
    history = [{"step": 5, "loss": 2.0, "l0": 16.0}, {"step": 10, "loss": 1.9, "l0": 16.0}]
    curves = {
        "upgraded": history,
        "control": history,
        "activation": {"ratio": [0.0, 1.0], "before": [1.0, 1.0], "after": [0.9, 0.5]},
    }
    return Report(columns, question, "It is <5.9%> lower at L0 16.00.", curves)


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


def test_json_has_the_promised_structure(tmp_path: Path) -> None:
    report().save(tmp_path)
    tree = json.loads((tmp_path / "report.json").read_text())
    assert list(tree["columns"]) == list(NAMES)
    for column in tree["columns"].values():
        for metric in column.values():
            assert set(metric) == {"value", "definition"}
    assert tree["columns"]["upgraded"]["mse"]["value"] == 1.8
    assert tree["columns"]["teacher"]["loss_recovered"]["value"] is None
    assert tree["question"]["seed"] == 3
    assert tree["verdict"] == report().verdict


def test_the_page_needs_no_network_and_no_script(tmp_path: Path) -> None:
    report().save(tmp_path)
    page = Page((tmp_path / "report.html").read_text())
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "iframe", "object", "embed"})
    sources = [value for _, attrs in page.tags for key in ("src", "href", "srcset") if (value := attrs.get(key))]
    assert len(sources) == 3
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "url(" not in (tmp_path / "report.html").read_text()
    assert any(tag == "meta" and attrs.get("name") == "viewport" for tag, attrs in page.tags)


def test_the_page_says_everything_and_escapes_it(tmp_path: Path) -> None:
    text = report().to_html()
    page = Page(text)
    for wanted in (
        "It is <5.9%> lower",
        "1.800",
        "16.00",
        "undefined",
        "-5.88%",
        "excludes zero",
        "<summed> over d_in",
    ):
        assert wanted in page.text
    assert "<5.9%>" not in text
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")


def test_the_same_report_gives_the_same_bytes() -> None:
    assert report().to_html() == report().to_html()


def test_load_reads_what_save_wrote(tmp_path: Path) -> None:
    report().save(tmp_path)
    again = Report.load(tmp_path / "report.json")
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


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report().save(tmp_path)
    before = (tmp_path / "report.json").read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rsae.report.os.replace", interrupted)
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
