"""The pictures of a report, as SVG inside data addresses: no file beside the page, and no network."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsae.metrics import Metrics

__all__ = ["COLOURS", "Picture", "draw_activation", "draw_frontier", "draw_training", "of_report"]

# Okabe and Ito's colours, which colour-blind readers tell apart.
COLOURS = {"teacher": "#555555", "initialised": "#999999", "upgraded": "#0072B2", "control": "#D55E00"}
_OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = {"teacher": "s", "initialised": "x", "upgraded": "o", "control": "D"}


@dataclass(frozen=True)
class Picture:
    """An image as a data address, and what it shows."""

    uri: str
    caption: str


def of_report(columns: Mapping[str, Metrics], curves: Mapping[str, Any]) -> list[Picture]:
    """The pictures for which a report has data: MSE against L0, the learned curve, the course of training."""
    pictures = []
    points = {
        name: (column["l0"].value, column["mse"].value)
        for name, column in columns.items()
        if "l0" in column and "mse" in column and math.isfinite(column["mse"].value)
    }
    if points:
        caption = "MSE against L0 on held-out vectors, one point a column; lower and further left is better."
        pictures.append(Picture(_svg(lambda axes: draw_frontier(axes, points)), caption))
    activation = curves.get("activation") or {}
    if activation.get("ratio"):
        caption = (
            "What the rational does to a code: its factor against the ratio of the threshold to the pre-activation "
            "(1: the latent barely passed), before and after fine-tuning."
        )
        pictures.append(Picture(_svg(lambda axes: draw_activation(axes, activation)), caption))
    histories = {name: entry for name, entry in curves.items() if isinstance(entry, list | tuple) and entry}
    if histories:
        caption = "Squared error of single training batches while fine-tuning; the same batches in every arm."
        pictures.append(Picture(_svg(lambda axes: draw_training(axes, histories)), caption))
    return pictures


def draw_frontier(axes: Any, points: Mapping[str, tuple[float, float]]) -> None:
    """Draw one labelled point (L0, MSE) a column."""
    for index, (name, (l0, mse)) in enumerate(points.items()):
        marker = _MARKERS.get(name, "v")
        axes.plot([l0], [mse], marker, color=_colour(name, index), label=name.replace("_", " "), markersize=8)
    axes.set(xlabel="L0 (codes that are not 0, a token)", ylabel="MSE (summed over dimensions)")
    width = max(l0 for l0, _ in points.values()) - min(l0 for l0, _ in points.values())
    if width < 0.1:  # equal L0 is the usual case: without room the axis would show rounding
        middle = sum(l0 for l0, _ in points.values()) / len(points)
        axes.set_xlim(middle - 1, middle + 1)
    axes.ticklabel_format(useOffset=False)
    axes.legend(frameon=False)


def draw_activation(axes: Any, activation: Mapping[str, Sequence[float]]) -> None:
    """Draw every curve of ``activation`` over its ``ratio``."""
    styles = iter(("-", "--", ":", "-."))
    for name, values in activation.items():
        if name == "before":
            axes.plot(activation["ratio"], values, color=COLOURS["teacher"], linewidth=1, label="before")
        elif name != "ratio":
            axes.plot(activation["ratio"], values, next(styles, "-"), color=COLOURS["upgraded"], label=name)
    axes.set(xlabel="threshold / pre-activation", ylabel="factor of the code")
    axes.legend(frameon=False)


def draw_training(axes: Any, histories: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Draw the loss of each arm over its steps."""
    for index, (name, history) in enumerate(histories.items()):
        steps, losses = [entry["step"] for entry in history], [entry["loss"] for entry in history]
        axes.plot(steps, losses, color=_colour(name.split(",")[0], index), linewidth=1.2, label=name.replace("_", " "))
    axes.set(xlabel="step", ylabel="squared error of a batch")
    axes.legend(frameon=False)


def _colour(name: str, index: int) -> str:
    return COLOURS.get(name, _OTHERS[index % len(_OTHERS)])


def _svg(draw: Callable[[Any], None]) -> str:
    """A drawing as a data address; the same input gives the same bytes, and no display is needed."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "rsae", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=(5.6, 4.0), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        draw(axes)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
