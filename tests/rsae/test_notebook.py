"""What SAEs, hidden states and reports show of themselves in a notebook, and what they become there."""

import sys
from html.parser import HTMLParser

import pytest
import torch
from matplotlib.figure import Figure

from rsae.activations.ratio import IDENTITY, RationalActivation
from rsae.data.sources import hidden_states
from rsae.evaluation.metrics import Metric
from rsae.notebook import facts
from rsae.report.report import Report
from tests.rsae.material.reports import report
from tests.rsae.material.saes import random_sae


class Shown(HTMLParser):
    """The text of a cell, the tags that stay open, and the sources of its images."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.open, self.images = "", [], []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "style", "link", "iframe")
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_an_sae_shows_what_it_is() -> None:
    sae = random_sae("topk", activation=RationalActivation(IDENTITY), refine="residual")
    sae.metadata = {"hook": "model.layers.2", "source": "<b>mine</b>"}
    shown = Shown(sae._repr_html_())
    for word in (
        "topk",
        "latents (d_sae) 24",
        "k 3",
        "RationalActivation",
        "residual",
        "model.layers.2",
        "<b>mine</b>",
    ):
        assert word in shown.text
    assert shown.open == []
    assert "the teacher's own" in Shown(random_sae("relu")._repr_html_()).text


def test_hidden_states_show_how_many_they_are() -> None:
    shown = Shown(hidden_states(torch.randn(3000, 4), held_out=0.1)._repr_html_())
    for word in ("d_in 4", "train 2,700 vectors", "held out 300 vectors", "host no"):
        assert word in shown.text


def test_a_report_shows_verdict_table_and_one_picture() -> None:
    shown = Shown(report()._repr_html_())
    assert report().verdict in shown.text
    for word in ("MSE 2.000 1.900 1.800 1.700", "L0 16.00", "upgraded", "control"):
        assert word in shown.text
    assert len(shown.images) == 1
    assert shown.images[0].startswith("data:image/svg+xml;base64,")
    assert len(report()._repr_html_()) < 100_000
    assert shown.open == []
    assert "upgraded" in repr(report())
    assert len(repr(report())) < 2000, "a notebook keeps it beside the page"


def test_a_report_without_pictures_shows_itself_too() -> None:
    small = Report({"teacher": {"mse": Metric(1.0, "squared error")}}, {}, "Nothing was trained.")
    shown = Shown(small._repr_html_())
    assert "Nothing was trained." in shown.text
    assert shown.images == []
    with pytest.raises(ValueError, match="nothing to plot"):
        small.plot()


def test_a_report_plots_what_it_has() -> None:
    found = report().plot()
    assert isinstance(found, Figure)
    labels = {axes.get_ylabel() for axes in found.axes}
    assert labels == {"MSE (summed over dimensions)", "squared error of a batch"}
    assert found._repr_png_().startswith(b"\x89PNG"), "a cell shows it, with or without pyplot"


def test_without_pandas_a_frame_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install .rational-sae\[notebook\]"):
        report().to_frame()


@pytest.mark.peers
def test_a_frame_has_the_reports_numbers() -> None:
    pytest.importorskip("pandas")
    found = report().to_frame()
    assert list(found.columns) == ["teacher", "initialised", "upgraded", "control", "definition"]
    assert found.loc["mse", "upgraded"] == 1.8
    assert found.loc["mse"].drop("definition").idxmin() == "control"
    assert found["teacher"].isna().sum() == 1


def test_facts_are_escaped() -> None:
    assert "<script>" not in facts("<script>", {"<script>": "<script>"})
