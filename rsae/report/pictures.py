"""The pictures of a report, as SVG inside data addresses: no file beside the page, and no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsae.report.wording import spoken

__all__ = [
    "COLOURS",
    "Drawing",
    "Picture",
    "draw_frontier",
    "drawings",
    "drawn",
    "figure",
    "of_report",
    "smoothed",
    "svg",
]

# Okabe and Ito's colours, which colour-blind readers tell apart.
COLOURS = {
    "teacher": "#555555",
    "initialised": "#999999",
    "upgraded": "#0072B2",
    "control": "#D55E00",
    "threshold": "#009E73",
    "control_twice": "#E69F00",
    "scale": "#CC79A7",
    "polynomial": "#56B4E9",
    "fixed_denominator": "#56B4E9",
}
_OTHERS = ("#000000", "#8C510A", "#5AAE61", "#762A83")
_CERTAIN = 0.9  # a gate without a threshold has every ratio at 0: such a histogram would only hide the other
FRONTIER_CAPTIONS = {
    "mse": "MSE against L0 at several sparsities, on held-out vectors; lower and further left is better.",
    "delta_ce": "What splicing costs in cross-entropy against L0; lower and further left is better.",
}
_ROOM = 0.2  # of the largest L0: an axis shows at least so much of it
_SMOOTHING = 5  # entries of a history, of about fifty: the mean lags by as many
_MARKERS = {"teacher": "s", "initialised": "x", "upgraded": "o", "control": "D"}


@dataclass(frozen=True)
class Picture:
    """An image as a data address, and what it shows."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Drawing:
    """A picture to be drawn by ``draw(axes, *data)``: the part of the page that it belongs to, and what it shows."""

    part: str
    caption: str
    draw: Callable[..., None]
    data: tuple[Any, ...]


def of_report(tree: Mapping[str, Any]) -> dict[str, list[Picture]]:
    """The pictures for which a report's tree has data, by part of the page."""
    parts: dict[str, list[Picture]] = {"attribution": [], "columns": [], "frontier": [], "curve": []}
    for drawing in drawings(tree):
        parts[drawing.part].append(drawn(drawing))
    return parts


def drawn(drawing: Drawing) -> Picture:
    """A drawing as an image inside a data address."""
    image = base64.b64encode(svg(drawing.draw, *drawing.data).encode()).decode("ascii")
    return Picture("data:image/svg+xml;base64," + image, drawing.caption)


def figure(tree: Mapping[str, Any]) -> Any:
    """A matplotlib figure of what a report says first: where the gain comes from, and MSE against L0.

    Raises ValueError for a report without numbers to draw.
    """
    from rsae.report.figures import ShownFigure  # imports matplotlib, which takes its time

    found = [drawing for drawing in drawings(tree) if drawing.part in ("attribution", "columns")][:2]
    if not found:
        raise ValueError("this report has neither steps nor columns with MSE and L0, so there is nothing to plot")
    figure = ShownFigure(figsize=(5.6 * len(found), 4.0), layout="constrained")
    for axes, drawing in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        _plain(axes)
        drawing.draw(axes, *drawing.data)
    return figure


def drawings(tree: Mapping[str, Any]) -> Iterator[Drawing]:
    """What there is to draw of a report's tree, in the order of the page."""
    frontier, histograms = tree.get("frontier", {}), tree.get("histograms", {})
    if (found := tree.get("attribution", {}).get("mse")) and found["steps"]:
        caption = (
            "MSE on held-out vectors from the teacher to the upgraded SAE, one change a step, all at the same L0. Grey "
            "with a dot: the 95% interval of the step (the thin line) holds zero. The axis need not begin at 0."
        )
        yield Drawing("attribution", caption, _draw_waterfall, (found,))
    points = {
        name: (column["l0"]["value"], column["mse"]["value"])
        for name, column in tree["columns"].items()
        if "l0" in column and "mse" in column and column["mse"]["value"] is not None
    }
    if points:
        caption = "MSE against L0 on held-out vectors, one point a column; lower and further left is better."
        yield Drawing("columns", caption, _draw_columns, (points,))
    histories = {name: entry for name, entry in tree["curves"].items() if isinstance(entry, list | tuple) and entry}
    if histories:
        caption = (
            "Squared error of single training batches while fine-tuning (faint) and its running mean (lines); the same "
            "batches in every arm."
        )
        yield Drawing("columns", caption, _draw_training, (histories,))
    for metric in ("mse", "delta_ce"):
        if any(metric in point for series in frontier.get("series", []) for point in series["points"]):
            yield Drawing("frontier", FRONTIER_CAPTIONS[metric], draw_frontier, (frontier["series"], metric))
    activation = tree["curves"].get("activation") or {}
    if activation.get("ratio"):
        caption = (
            "What the rational does to a code (lines, left): its factor against the ratio of the threshold to the "
            "pre-activation (1: the latent barely passed), before and after fine-tuning."
        )
        shares = histograms.get("ratio")
        if shares and max(shares["after"]) < _CERTAIN:
            caption += " Behind it (right): where the codes of held-out tokens lie."
        yield Drawing("curve", caption, _draw_activation, (activation, shares))
    if activation.get("pre_activation"):
        caption = "The code of a pre-activation, before and after fine-tuning; it is exactly 0 nearly nowhere."
        yield Drawing("curve", caption, _draw_activation, (activation,))
    if histograms:
        caption = "Pre-activations of the codes that are not 0, on held-out tokens, before and after fine-tuning."
        yield Drawing("curve", caption, _draw_histogram, (histograms["pre_activation"], "pre-activation"))


def _draw_waterfall(axes: Any, found: Mapping[str, Any]) -> None:
    """Draw a bar from each arm's value to the next, in percent of the teacher's; the first and the last in full."""
    teacher, steps = found["teacher"], found["steps"]
    labels = ["teacher", *(step["what"] for step in steps), "upgraded"]
    ends = (teacher, steps[-1]["value"])
    for place, value in ((0, teacher), (len(steps) + 1, steps[-1]["value"])):
        axes.barh(place, value, color=COLOURS["teacher" if place == 0 else "upgraded"], height=0.6)
    for place, step in enumerate(steps, 1):
        colour = "#009E73" if step["difference"] < 0 else "#D55E00"
        colour = colour if step["certain"] else "#bbbbbb"
        axes.barh(place, step["difference"], left=step["base"], color=colour, height=0.6)
        if None not in (step["low"], step["high"]):
            interval = [step["base"] + step[end] for end in ("low", "high")]
            axes.plot(interval, [place, place], color="#1c2430", linewidth=1)
        sign = f"{100 * step['difference'] / teacher:+.1f}%{'' if step['certain'] else ' ·'}"
        axes.annotate(
            sign, (max(step["base"], step["value"]), place), xytext=(4, 0), textcoords="offset points", va="center"
        )
    values = [*ends, *(step["value"] for step in steps)]
    least, most = min(values), max(values)
    left = 0 if least < 0.7 * teacher else least - 0.3 * (teacher - least) - 0.01 * teacher
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(left, most + 0.2 * (most - left))  # on the right there is room for a label
    axes.set_xlabel("MSE (summed over dimensions)")


def _draw_columns(axes: Any, points: Mapping[str, tuple[float, float]]) -> None:
    """Draw one labelled point (L0, MSE) a column."""
    for index, (name, (l0, mse)) in enumerate(points.items()):
        marker = _MARKERS.get(name, "v")
        axes.plot([l0], [mse], marker, color=_colour(name, index), label=spoken(name), markersize=8)
    axes.set(xlabel="L0 (codes that are not 0, a token)", ylabel="MSE (summed over dimensions)")
    least, most = min(l0 for l0, _ in points.values()), max(l0 for l0, _ in points.values())
    room = max(1.0, _ROOM * most)
    if most - least < room:  # equal L0 is the usual case: without room the axis would blow up its rounding
        axes.set_xlim((least + most - room) / 2, (least + most + room) / 2)
    axes.ticklabel_format(useOffset=False)
    axes.legend(frameon=False)


def draw_frontier(axes: Any, series: Sequence[Mapping[str, Any]], metric: str) -> None:
    """Draw a metric against L0, one line a family and column, on logarithmic axes where all values are positive."""
    lines = {"topk": "-", "jumprelu": "--", "relu": ":", "groupmax": "-."}
    families = {entry["family"] for entry in series}
    values = []
    for index, entry in enumerate(series):
        points = [(point["l0"], point[metric]) for point in entry["points"] if point.get(metric) is not None]
        if not points:
            continue
        name = spoken(entry["column"]) if len(families) == 1 else f"{entry['family']}, {spoken(entry['column'])}"
        style = {"color": _colour(entry["column"], index), "marker": _MARKERS.get(entry["column"], "v")}
        axes.plot(*zip(*points, strict=True), lines.get(entry["family"], "-"), label=name, markersize=6, **style)
        values += [value for point in points for value in point]
    if values and min(values) > 0:
        axes.set(xscale="log", yscale="log")
        levels = [point["l0"] for entry in series for point in entry["points"]]
        if max(levels) < (1 + _ROOM) * min(levels):
            axes.set_xlim(min(levels) / (1 + _ROOM), max(levels) * (1 + _ROOM))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:.3g}")
            axis.set_minor_formatter("{x:.3g}")
        axes.tick_params(which="minor", labelsize=8)
    label = {"mse": "MSE (summed over dimensions)", "delta_ce": "delta-CE (nats a token)"}.get(metric, metric)
    axes.set(xlabel="L0 (codes that are not 0, a token)", ylabel=label)
    axes.legend(frameon=False, fontsize=9)


def _draw_activation(
    axes: Any, activation: Mapping[str, Sequence[float]], shares: Mapping[str, Sequence[float]] | None = None
) -> None:
    """Draw every curve of ``activation`` over its ``ratio`` (or ``pre_activation``), and behind them the ``shares``."""
    over = "ratio" if "ratio" in activation else "pre_activation"
    if shares and max(shares["after"]) < _CERTAIN:
        behind = axes.twinx()
        _draw_histogram(behind, shares, None)
        behind.set_ylabel("share of the codes")
        behind.spines["top"].set_visible(False)
        axes.set_zorder(behind.get_zorder() + 1)
        axes.patch.set_visible(False)
    styles = iter(("-", "--", ":", "-."))
    for name, values in activation.items():
        if name == "before":
            axes.plot(activation[over], values, color=COLOURS["teacher"], linewidth=1, label="before")
        elif name != over:
            axes.plot(activation[over], values, next(styles, "-"), color=COLOURS["upgraded"], label=name)
    labels = ("threshold / pre-activation", "factor of the code") if over == "ratio" else ("pre-activation", "code")
    axes.set(xlabel=labels[0], ylabel=labels[1])
    # Above the axes: curves may run anywhere inside.
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))


def _draw_histogram(axes: Any, shares: Mapping[str, Sequence[float]], label: str | None) -> None:
    """Draw the shares before (filled) and after (a line) over their common bins."""
    if max(shares["before"]) < _CERTAIN:
        axes.stairs(shares["before"], shares["edges"], fill=True, color="#d9d9d9", label="before")
    axes.stairs(shares["after"], shares["edges"], color="#56B4E9", linewidth=1.2, label="after")
    axes.set_ylim(bottom=0)
    if label is not None:
        axes.set(xlabel=label, ylabel="share of the codes")
        axes.legend(frameon=False)


def _draw_training(axes: Any, histories: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Draw the loss of each arm over its steps; all seeds of an arm in one colour, named once."""
    arms = list(dict.fromkeys(name.split(",")[0] for name in histories))
    seen = set()
    for name, history in histories.items():
        arm = name.split(",")[0]
        steps, losses = [entry["step"] for entry in history], [entry["loss"] for entry in history]
        label = None if arm in seen else spoken(arm)
        colour = _colour(arm, arms.index(arm))
        axes.plot(steps, losses, color=colour, linewidth=0.8, alpha=0.25)
        axes.plot(steps, smoothed(losses), color=colour, linewidth=1.4, label=label)
        seen.add(arm)
    axes.set(xlabel="step", ylabel="squared error of a batch")
    axes.legend(frameon=False)


def smoothed(values: Sequence[float]) -> list[float]:
    """The exponentially weighted mean of the values so far, its weights divided by their sum: no start at zero.

    >>> smoothed([2.0, 2.0, 2.0])
    [2.0, 2.0, 2.0]
    """
    keep, total, weight, means = 1 - 1 / _SMOOTHING, 0.0, 0.0, []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        means.append(total / weight)
    return means


def _colour(name: str, index: int) -> str:
    return COLOURS.get(name, _OTHERS[index % len(_OTHERS)])


def svg(draw: Callable[..., None], *data: Any) -> str:
    """What ``draw(axes, *data)`` draws, as SVG; the same input gives the same bytes, and no display is needed."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "rsae", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=(5.6, 4.0), layout="constrained")
        axes = figure.subplots()
        _plain(axes)
        draw(axes, *data)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().decode("utf-8")


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
