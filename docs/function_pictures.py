"""Draw the pictures of the pages on approximation, from the package: `python docs/function_pictures.py` (seconds)."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import rational_approx as ra
from rational_approx.exchange.levelled import level

FOLDER = Path(__file__).parent / "approximation" / "pictures"
BLUE, ORANGE, GREY, BAND = "#0072B2", "#D55E00", "#777777", "#CFE3F1"


def _axes(columns: int, rows: int, size: tuple[float, float], **options: object) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _levels(axes: Axes, h: float) -> None:
    for side in (-h, h):
        axes.axhline(side, color=GREY, linewidth=0.8, linestyle="--")


def _written(figure: Figure, name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


def minimax() -> None:
    """GELU, its best approximation of type (2, 2) inside the band of its error, and the error below."""
    best = ra.fit("gelu", (2, 2), (-4, 1))
    f, h = best.target.function, float(best.error)
    x, points = np.linspace(-4, 1, 401), np.array(best.reference, dtype=float)
    figure, (above, below) = _axes(1, 2, (7.2, 5.6), sharex=True, height_ratios=[3, 2])
    above.fill_between(x, f(x) - h, f(x) + h, color=BAND, linewidth=0, label="the band: GELU, h up and h down")
    above.plot(x, f(x), color=GREY, linewidth=1, linestyle=":", label="GELU")
    above.plot(x, best(x), color=BLUE, linewidth=1.5, label="the best rational of type (2, 2)")
    above.plot(points, best(points), "o", color=ORANGE, markersize=5, label="the reference: 6 points")
    above.set(ylabel="value", title="The best rational touches both edges of the band in turn")
    above.legend(frameon=False, loc="upper left")
    below.plot(x, f(x) - best(x), color=BLUE, linewidth=1.5)
    below.plot(points, f(points) - best(points), "o", color=ORANGE, markersize=5)
    _levels(below, h)
    below.set(xlabel="x", ylabel="GELU(x) - r(x)", yticks=[-h, 0, h], yticklabels=["-h", "0", "+h"])
    _written(figure, "minimax")


def _peaks(error: np.ndarray, count: int) -> np.ndarray:
    """Where the error is largest between its changes of sign: ``count`` neighbouring places, the largest among them."""
    pieces = np.split(np.arange(error.size), np.flatnonzero(np.diff(np.sign(error))) + 1)
    peaks = np.array([piece[np.argmax(np.abs(error[piece]))] for piece in pieces])
    while peaks.size > count:
        peaks = peaks[1:] if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else peaks[:-1]
    return peaks


def exchange() -> None:
    """Three steps of the exchange for exp(2 x) of type (2, 2), from points at equal distances."""
    x = np.linspace(-1, 1, 4001)
    f, degree = np.exp(2 * x), (2, 2)
    points = np.round(np.linspace(0, x.size - 1, 6)).astype(int)
    figure, panels = _axes(3, 1, (9.4, 3.2), sharey=True)
    for step, axes in enumerate(panels, 1):
        levelled = level(x[points], f[points], np.ones(6), degree)
        error = f - levelled(x)
        axes.plot(x[::10], error[::10], color=BLUE, linewidth=1.3)
        axes.plot(x[points], error[points], "o", color=ORANGE, markersize=5)
        _levels(axes, abs(levelled.h))
        axes.set(xlabel="x", title=f"step {step}: h = {abs(levelled.h):.4f}, largest {np.abs(error).max():.4f}")
        axes.title.set_fontsize(10)
        points = _peaks(error, 6)
    panels[0].set_ylabel("exp(2x) - r(x)")
    _written(figure, "exchange")


def proof() -> None:
    """The boxes of a certificate with the bound that holds on all of them, and the floor under every rival."""
    best = ra.fit("gelu", (5, 4), (-4, 4))
    short = best.rounded("bfloat16")
    certificate = ra.certify(short, best.target, against=best)
    f, x = best.target.function, np.linspace(-4, 4, 601)
    upper, floor = float(certificate.upper), float(certificate.best_lower)
    figure, (left, right) = _axes(2, 1, (9.4, 3.6))
    for number, part in enumerate(certificate.parts):
        ends = float(part.lower), float(part.upper)
        left.fill_between(ends, -upper, upper, color=BAND if number % 2 else "#E9F1F7", linewidth=0)
    left.plot(x, f(x) - short(x), color=BLUE, linewidth=1.3)
    left.set(title=f"{len(certificate.parts)} boxes: on each the error is enclosed", xlabel="x", ylabel="error")
    _levels(left, upper)
    points = np.array(best.reference, dtype=float)
    right.vlines(points, 0, f(points) - best(points), color=ORANGE, linewidth=2)
    right.plot(points, f(points) - best(points), "o", color=ORANGE, markersize=5)
    right.plot(x, f(x) - best(x), color=BLUE, linewidth=1, alpha=0.6)
    right.fill_between(x, -floor, floor, color=GREY, alpha=0.12, linewidth=0)
    right.set(title="a rival would have to stay inside this band", xlabel="x", ylabel="error of the best")
    for axes in (left, right):
        axes.set_ylim(-1.3 * upper, 1.3 * upper)
    _written(figure, "proof")


def competitors() -> None:
    """The best of type (1, 1) for tan on two intervals: among denominators of one sign, and of any sign."""
    spans = [(0, 1.3), (1.85, 3)]
    shown = (("one sign", "one sign", ORANGE, "--"), ("any", "any sign", BLUE, "-"))
    fits = {name: ra.fit("tan(x)", (1, 1), spans, denominator=name) for name, *_ in shown}
    figure, (axes,) = _axes(1, 1, (7.2, 3.8))
    axes.axvspan(spans[0][1], spans[1][0], color="#EEEEEE", linewidth=0)
    for number, (lower, upper) in enumerate(spans):
        x = np.linspace(lower, upper, 100)
        axes.plot(x, np.tan(x), color=GREY, linewidth=3.5, alpha=0.45, label=None if number else "tan")
    for name, label, colour, style in shown:
        x = np.linspace(0, 3, 1001)
        y = np.array([fits[name].rational(float(t)) for t in x])
        y[np.abs(y) > 8] = np.nan
        axes.plot(x, y, color=colour, linestyle=style, label=f"{label}: error {float(fits[name].error):.3f}")
    axes.set(xlabel="x", ylim=(-5, 5), title="In the gap a rational may have a pole")
    axes.text(1.575, -4.6, "gap", ha="center", color=GREY)
    axes.legend(frameon=False, loc="upper right")
    _written(figure, "competitors")


if __name__ == "__main__":
    matplotlib.rcParams["svg.hashsalt"] = "rational-sae"
    for draw in (minimax, exchange, proof, competitors):
        draw()
