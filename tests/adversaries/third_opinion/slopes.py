"""The largest error of the derivative between switch points."""

from fractions import Fraction
from functools import lru_cache
from math import inf
from typing import Any

import mpmath
import numpy as np

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.error import Held, Peak, Ratio, digits, inside, made, points, short, twice
from tests.adversaries.third_opinion.meaning import Meaning, Region
from tests.adversaries.third_opinion.values import Unsure, mpf, with_slope

__all__ = ["slope_error", "slope_peak"]


def slope_error(region: Region, r: Ratio, x: Fraction) -> Any:
    """``f' - r'`` at an exact point inside a region."""
    return twice(lambda: with_slope(region.target, mpf(x))[1] - mpf(r.slope(x)))


@lru_cache(maxsize=2000)
def _slope_peak(r: Ratio, holder: "Held") -> Peak | None:
    out: list[Peak] = []
    for region in holder.meant.regions:
        with np.errstate(all="ignore"):
            marks = [inside(region, float(p)) for p in points(region, 16)]
        for end, sign in ((region.low, 1), (region.high, -1)):
            if abs(end) < inf:
                marks.append(Fraction(end) + sign * Fraction(1, 2**60))
        marks = sorted(point for point in set(marks) if region.holds(point))
        rough = []
        with mpmath.workdps(30):
            for point in marks:
                try:
                    rough.append((abs(_slope_difference(region, r, mpf(point))), point))
                except (Unsure, OverflowError, ValueError, ZeroDivisionError):
                    continue
        for _, point in sorted(rough, reverse=True)[:2]:
            try:
                out.append(made(slope_error(region, r, point), point, region))
            except (Unsure, OverflowError, ValueError):
                continue
        if rough:
            out += _slope_refined(region, r, max(rough)[1], marks)
    return max(out, key=lambda peak: peak.size, default=None)


def slope_peak(meant: Meaning, r: Ratio) -> Peak | None:
    """The largest error of the derivative that is found inside the regions."""
    return _slope_peak(r, Held(meant))


def _slope_difference(region: Region, r: Ratio, x: Any) -> Any:
    p, q = polynomials.at(digits(r.top), x), polynomials.at(digits(r.bottom), x)
    dp, dq = (
        polynomials.at(digits(polynomials.slope(r.top)), x),
        polynomials.at(digits(polynomials.slope(r.bottom)), x),
    )
    return with_slope(region.target, x)[1] - (dp * q - p * dq) / q**2


def _slope_refined(region: Region, r: Ratio, x: Fraction, marks: list[Fraction]) -> list[Peak]:
    """By parabolas through three points."""
    k = marks.index(x)
    if k in (0, len(marks) - 1):
        return []
    best: list[Peak] = []
    with mpmath.workdps(60):
        a, b, c = (mpf(p) for p in marks[k - 1 : k + 2])
        try:
            for _ in range(8):
                fa, fb, fc = (abs(_slope_difference(region, r, t)) for t in (a, b, c))
                over = (b - a) ** 2 * (fb - fc) - (b - c) ** 2 * (fb - fa)
                under = 2 * ((b - a) * (fb - fc) - (b - c) * (fb - fa))
                if not under:
                    break
                new = b - over / under
                if not a < new < c or abs(new - b) < mpmath.mpf(2) ** -90:
                    break
                a, b, c = (a, new, b) if new < b else (b, new, c)
            point = short(b)
            if region.holds(point):
                best.append(made(slope_error(region, r, point), point, region))
        except (Unsure, ZeroDivisionError, OverflowError, ValueError):
            pass
    return best
