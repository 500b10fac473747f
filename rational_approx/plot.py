"""Pictures of error curves. The only module of the package that needs matplotlib, and only when it draws."""

import os
from collections.abc import Sequence
from math import isinf
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

from rational_approx.arithmetic.precision import working_precision
from rational_approx.fitting.best import Fit
from rational_approx.proof.certificate import Certificate
from rational_approx.rationals.rational import Rational
from rational_approx.rationals.saturation import Saturated
from rational_approx.targets.target import Piece, Target

__all__ = ["curve", "draw_error", "error_curve", "sampled_error", "value_curve"]

_POINTS = 500
_FLOAT_NOISE = 1e-11  # below this share of the target's size, errors are computed in multiprecision


def error_curve(fit: Fit | Certificate, path: str | os.PathLike[str] | None = None) -> Any:
    """The weighted error over the domain, the two levels between which it alternates, and its reference points.

    Returns the matplotlib figure, and with ``path`` also writes it (the suffix gives the format: png, svg, pdf).

    Raises
    ------
    ImportError
        without matplotlib.
    TypeError, ValueError
        for another object, a target that is an opaque callable in a certificate, or an unknown file format.
    FileNotFoundError
        where the folder does not exist.
    """
    target, rational, reference, level = _question(fit)
    figure = _figure()
    draw_error(figure.subplots(), target, rational, reference, level)
    if path is not None:
        _write(figure, Path(path))
    return figure


def curve(rational: Rational, path: str | os.PathLike[str] | None = None) -> Any:
    """The values of a rational on each interval of its domain.

    Returns and writes the picture as :func:`error_curve` does. An infinite end is replaced by one ten away.
    """
    figure = _figure()
    axes = figure.subplots()
    for lower, upper in rational.domain.intervals:
        start = float(lower) if not isinf(lower) else min(-10.0, float(upper) - 10)
        end = float(upper) if not isinf(upper) else max(10.0, float(lower) + 10)
        x = np.linspace(start, end, _POINTS)
        axes.plot(x, rational(x), color="#0072B2", linewidth=1.3)
    axes.set(xlabel="x", ylabel="r", title=f"type {rational.type} on {rational.domain}")
    axes.spines[["top", "right"]].set_visible(False)
    if path is not None:
        _write(figure, Path(path))
    return figure


def value_curve(saturated: Saturated, path: str | os.PathLike[str] | None = None) -> Any:
    """The values of a saturated rational, and its continuations over half the length of the domain on each side.

    Returns and writes the picture as :func:`error_curve` does. An infinite end is replaced by 10.
    """
    lower, upper = (float(end) if not isinf(end) else (-10.0 if end < 0 else 10.0) for end in saturated.ends)
    figure, reach = _figure(), (upper - lower) / 2
    axes = figure.subplots()
    for start, end, style in ((lower - reach, lower, "--"), (lower, upper, "-"), (upper, upper + reach, "--")):
        x = np.linspace(start, end, _POINTS)
        axes.plot(x, saturated(x), color="#0072B2", linewidth=1.3, linestyle=style)
    axes.plot([lower, upper], saturated(np.array([lower, upper])), ".", color="#D55E00", markersize=7)
    p, q = saturated.rational.type
    axes.set(xlabel="x", ylabel="r", title=f"type ({p}, {q}), continued outside [{lower:g}, {upper:g}]")
    axes.spines[["top", "right"]].set_visible(False)
    if path is not None:
        _write(figure, Path(path))
    return figure


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("drawing needs matplotlib: pip install 'rational-sae[plot]'") from None
    return Figure(figsize=(7.2, 3.6), layout="constrained")


def draw_error(axes: Any, target: Target, rational: Rational, reference: Sequence[Any], level: float) -> None:
    """Draw the error curve of a rational on matplotlib axes; ``level`` is the levelled error."""
    for piece in target.pieces:
        x, error = sampled_error(piece, rational, reference, level)
        axes.plot(x, error, color="#0072B2", linewidth=1.3)
        slack = 1e-12 * (x[-1] - x[0])  # a reference point at an end is that end to rounding
        inside = [float(t) for t in reference if x[0] - slack <= float(t) <= x[-1] + slack]
        axes.plot(inside, np.interp(inside, x, error), ".", color="#D55E00", markersize=7)
    for side in (-level, level):
        axes.axhline(side, color="#777777", linewidth=0.8, linestyle="--")
    p, q = rational.type
    weighted = "error" if str(getattr(target.weight, "text", "")) == "1" else "weighted error"
    axes.set(xlabel="x", ylabel=weighted, title=f"{target.name}: type ({p}, {q}), error {level:.6g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)


def sampled_error(
    piece: Piece, rational: Rational, reference: Sequence[Any], level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points of a piece, dense at its ends and with its reference points among them, and the weighted error there.

    Where the level is so small that float64 would draw noise, values are computed in multiprecision. An infinite end is
    replaced by three times the outermost reference point.
    """
    known = [float(t) for t in reference if not isinf(float(t)) and piece.lower <= float(t) <= piece.upper]
    outermost = 3 * max([abs(t) for t in known], default=1.0)
    lower = float(piece.lower) if not isinf(piece.lower) else -outermost
    upper = float(piece.upper) if not isinf(piece.upper) else outermost
    x = (lower + upper) / 2 - (upper - lower) / 2 * np.cos(np.linspace(0, np.pi, _POINTS))
    x[0], x[-1] = lower, upper
    x = np.unique(np.concatenate([x, known]))
    f = piece.function(x)
    if level > _FLOAT_NOISE * max(1e-300, float(np.abs(f).max())) or piece.expression is None:
        return x, piece.weight(x) * (f - rational(x))
    digits = 20 + max(0, round(-np.log10(max(level, 1e-300))))
    with working_precision(digits):
        exact = piece.expression
        errors = [float(exact.mpf(mpmath.mpf(t)) - rational(mpmath.mpf(t))) for t in x]
    return x, piece.weight(x) * np.asarray(errors)


def _question(fit: Any) -> tuple[Target, Rational, list[Any], float]:
    if isinstance(fit, Fit):
        return fit.target, fit.rational, list(fit.reference), float(fit.error)
    if not isinstance(fit, Certificate):
        raise TypeError(f"an error curve is that of a fit or a certificate, not of a {type(fit).__name__}")
    if fit.lower is None:
        raise ValueError("this certificate holds no bound of an error, so there is no curve to draw")
    target = Target(fit.target, list(fit.domain.intervals), weight=fit.weight, breakpoints=fit.breakpoints)
    return target, fit.rational, sorted(point.x for point in fit.reference), float(fit.lower)


def _write(figure: Any, path: Path) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist: make it first")
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise ValueError(
            f"pictures are not written as {path.suffix or 'a file without suffix'}: try .png, .svg or .pdf"
        )
    temporary = path.with_name(f".{path.name}.part")
    try:
        dateless = {"Date": None} if path.suffix == ".svg" else None  # the same fit gives the same picture
        figure.savefig(temporary, format=path.suffix.removeprefix("."), dpi=160, metadata=dateless)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
