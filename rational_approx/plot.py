"""Pictures of curves: functions and numbers in, a matplotlib figure out. Matplotlib is imported when one is drawn."""

import base64
import html
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rational_approx.files import replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["error", "in_notebook", "values"]

POINTS = 500
CURVE, MARK, LEVEL = "#0072B2", "#D55E00", "#777777"
Writable = str | os.PathLike[str] | None


def values(
    function: Callable[[Any], Any],
    spans: Sequence[tuple[float, float, str]],
    title: str,
    path: Writable = None,
    marks: Sequence[Any] = (),
) -> "Figure":
    """The values of a function on spans ``(start, end, line style)``, with marks at some points.

    Returns the matplotlib figure, and with ``path`` also writes it (the suffix gives the format: png, svg, pdf).

    Raises
    ------
    ImportError
        without matplotlib.
    ValueError, FileNotFoundError
        for an unknown file format, or a folder that does not exist.
    """
    figure = _figure()
    axes = figure.subplots()
    for start, end, style in spans:
        x = np.linspace(start, end, POINTS)
        axes.plot(x, function(x), color=CURVE, linewidth=1.3, linestyle=style)
    at = np.array([float(x) for x in marks if np.isfinite(float(x))])
    if at.size:
        axes.plot(at, function(at), ".", color=MARK, markersize=7)
    return _finished(figure, axes, {"xlabel": "x", "ylabel": "r", "title": title}, path)


def error(
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    reference: Sequence[float],
    level: float,
    title: str,
    label: str,
    path: Writable = None,
) -> "Figure":
    """An error curve in parts ``(x, error)``, its reference points, and the two levels between which it alternates.

    Returns and raises as :func:`values` does.
    """
    figure = _figure()
    axes = figure.subplots()
    for x, curve in parts:
        axes.plot(x, curve, color=CURVE, linewidth=1.3)
        slack = 1e-12 * (x[-1] - x[0])  # a reference point at an end is that end to rounding
        inside = [t for t in reference if x[0] - slack <= t <= x[-1] + slack]
        axes.plot(inside, np.interp(inside, x, curve), ".", color=MARK, markersize=7)
    for side in (-level, level):
        axes.axhline(side, color=LEVEL, linewidth=0.8, linestyle="--")
    axes.margins(x=0.02)
    return _finished(figure, axes, {"xlabel": "x", "ylabel": label, "title": title}, path)


def in_notebook(text: str, draw: Callable[[], "Figure"]) -> str:
    """HTML for a notebook: a text, and below it a figure as a small picture (without matplotlib, the text alone)."""
    shown = f"<pre>{html.escape(text)}</pre>"
    try:
        figure = draw()
    except ImportError:
        return shown
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=80)
    encoded = base64.b64encode(picture.getvalue()).decode("ascii")
    return f'{shown}<img alt="{html.escape(text.splitlines()[0])}" src="data:image/png;base64,{encoded}">'


def _figure() -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("drawing needs matplotlib: pip install 'rational-sae[plot]'") from None
    return Figure(figsize=(7.2, 3.6), layout="constrained")


def _finished(figure: "Figure", axes: Any, labels: dict[str, str], path: Writable) -> "Figure":
    axes.set(**labels)
    axes.spines[["top", "right"]].set_visible(False)
    if path is not None:
        _write(figure, Path(path))
    return figure


def _write(figure: "Figure", path: Path) -> None:
    known = figure.canvas.get_supported_filetypes()
    with replaced(path) as unfinished:
        if path.suffix.removeprefix(".") not in known:
            raise ValueError(
                f"pictures are not written as {path.suffix or 'a file without suffix'}: try .png, .svg or .pdf"
            )
        dateless = {"Date": None} if path.suffix == ".svg" else None  # the same fit gives the same picture
        figure.savefig(unfinished, format=path.suffix.removeprefix("."), dpi=160, metadata=dateless)
