"""The largest error of a rational: a dense search in float64, refined in mpmath, each value at an exact point."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import inf
from typing import Any

import mpmath
import numpy as np

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.floats import floats
from tests.adversaries.third_opinion.meaning import Meaning, Region
from tests.adversaries.third_opinion.search import grid
from tests.adversaries.third_opinion.values import Unsure, mpf, value, with_slope

__all__ = [
    "Held",
    "Peak",
    "Ratio",
    "digits",
    "error_at",
    "inside",
    "largest",
    "made",
    "peaks",
    "points",
    "short",
    "twice",
]


@dataclass(frozen=True)
class Ratio:
    """P / Q in powers of x."""

    top: polynomials.Poly
    bottom: polynomials.Poly

    def __call__(self, x: Fraction) -> Fraction:
        bottom = polynomials.at(self.bottom, x)
        if not bottom:
            raise Unsure("a pole")
        return Fraction(polynomials.at(self.top, x) / bottom)

    def floats(self, x: np.ndarray) -> np.ndarray:
        """Values in float64."""
        top, bottom = _as_floats(self)
        return np.polynomial.polynomial.polyval(x, top) / np.polynomial.polynomial.polyval(x, bottom)

    def slope(self, x: Fraction) -> Fraction:
        """The derivative at a point, exact."""
        p, q = polynomials.at(self.top, x), polynomials.at(self.bottom, x)
        dp, dq = (polynomials.at(polynomials.slope(side), x) for side in (self.top, self.bottom))
        if not q:
            raise Unsure("a pole")
        return Fraction((dp * q - p * dq) / q**2)


@lru_cache(maxsize=2000)
def _as_floats(r: Ratio) -> tuple[np.ndarray, np.ndarray]:
    size = max(map(abs, r.bottom))
    return tuple(np.array([_float(c / size) for c in side]) for side in (r.top, r.bottom))  # type: ignore[return-value]


def _float(x: Fraction) -> float:
    try:
        return float(x)
    except OverflowError:
        return inf if x > 0 else -inf


@dataclass(frozen=True)
class Peak:
    """The size of the error at an exact point of a region, with its sign, and as a fraction where it is one."""

    size: Any
    x: Fraction
    region: Region
    sign: int = 1
    exact: Fraction | None = None


def error_at(region: Region, r: Ratio, x: Fraction) -> Any:
    """The error with its sign at an exact point; raises `Unsure` where it is not to be had.

    It is evaluated with 60 and with 110 digits, and both must agree: nothing is said of what cancels.
    """
    return twice(lambda: _error(region, r, x))


def _error(region: Region, r: Ratio, x: Fraction) -> Any:
    f, w = value(region.target, x), value(region.weight, x)
    quotient = r(x)
    if isinstance(f, Fraction) and isinstance(w, Fraction):
        return w * (f - quotient)
    return mpf(w) * (mpf(f) - mpf(quotient))


def twice(compute: Any) -> Any:
    with mpmath.workdps(60):
        first = compute()
    if isinstance(first, Fraction):
        return first
    with mpmath.workdps(110):
        second = compute()
        if not mpmath.isfinite(second) or abs(second - first) > abs(second) * mpmath.mpf(10) ** -33:
            raise Unsure("an error that cancels")
    return second


def points(region: Region, count: int = 48) -> np.ndarray:
    """Points of a region in float64, with its ends where they are exact."""
    x = grid(region.low, region.high, count)
    ends = [float(e) for e, exact in zip((region.low, region.high), region.exact) if exact and abs(e) < inf]
    low, high = float(region.low), float(region.high)
    return np.unique(np.concatenate([x[(x > low) & (x < high)], ends]))


def inside(region: Region, x: float) -> Fraction:
    """The exact point that a float stands for, moved to the end of the region where it is that end."""
    for end in (region.low, region.high):
        if abs(end) < inf and x == float(end):
            return Fraction(end)
    return Fraction(x)


@lru_cache(maxsize=4000)
def _target_floats(region: Region, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = points(region, count)
    return x, floats(region.target, x), np.abs(floats(region.weight, x))


def peaks(meant: Meaning, r: Ratio, count: int = 48, most: int = 3) -> list[Peak]:
    """The largest values of the error that are found, the largest first."""
    out: list[Peak] = []
    with np.errstate(all="ignore"), mpmath.workdps(60):
        rough = []
        for region in meant.regions:
            x, f, w = _target_floats(region, count)
            quotient = r.floats(x)
            e = np.abs(w * (f - quotient))
            noise = 1e-11 * w * (np.abs(f) + np.abs(quotient))
            finite = np.isfinite(e) & np.isfinite(noise)
            trusted = finite & (e > noise)
            if trusted.sum() >= 0.7 * len(x):
                rough += _rough(region, x, np.where(finite, e, -1.0))
            else:
                out += _in_digits(region, r, x)
        rough.sort(key=lambda entry: -entry[0])
        for size, k, x, region in rough[:most]:
            if size < 0.7 * rough[0][0]:
                break
            out += _refined(region, r, x, k)
        for region in meant.regions:
            out += _extra(region, r, meant)
    return sorted(out, key=lambda peak: -peak.size)


def _rough(region: Region, x: np.ndarray, e: np.ndarray) -> list[tuple[float, int, np.ndarray, Region]]:
    out = []
    for k in range(len(e)):
        if e[k] >= 0 and e[k] >= e[max(k - 1, 0)] and e[k] >= e[min(k + 1, len(e) - 1)]:
            out.append((float(e[k]), k, x, region))
    return out


def _peak(region: Region, r: Ratio, x: Fraction) -> list[Peak]:
    try:
        e = error_at(region, r, x)
    except (Unsure, OverflowError):
        return []
    return [made(e, x, region)]


def made(e: Any, x: Fraction, region: Region) -> Peak:
    """A peak from an error with its sign."""
    exact = abs(e) if isinstance(e, Fraction) else None
    with mpmath.workdps(110):
        return Peak(abs(mpf(e)), x, region, 1 if e >= 0 else -1, exact)


def _in_digits(region: Region, r: Ratio, x: np.ndarray) -> list[Peak]:
    """Where float64 cannot tell: fewer points, in mpmath, and the highest one refined."""
    few = x[:: max(1, len(x) // 24)]
    found = [peak for point in dict.fromkeys([*few, x[0], x[-1]]) for peak in _peak(region, r, inside(region, point))]
    if not found:
        return []
    best = max(found, key=lambda peak: peak.size)
    k = int(np.argmin(np.abs(few - float(best.x))))
    return [*found, *_refined(region, r, few, k)]


def _extra(region: Region, r: Ratio, meant: Meaning) -> list[Peak]:
    """Points far out, and just inside ends that are no fractions or at which the weight is infinite."""
    out: list[Peak] = []
    if region.high == inf or region.low == -inf:
        signs = [s for s, end in ((1, region.high), (-1, region.low)) if abs(end) == inf]
        for sign in signs:
            for power in (20, 60, 200):
                out += _peak(region, r, Fraction(sign * 2**power))
    for end, exact, sign in ((region.low, region.exact[0], 1), (region.high, region.exact[1], -1)):
        if abs(end) < inf and exact and end not in meant.infinite:
            out += _peak(region, r, Fraction(end))
        elif abs(end) < inf:
            out += _peak(region, r, Fraction(end) + sign * Fraction(1, 2**100))
    for z in meant.infinite:
        if region.low < z < region.high:
            for sign in (1, -1):
                out += _peak(region, r, z + sign * Fraction(1, 2**100))
    return out


def short(x: Any) -> Fraction:
    return Fraction(int(mpmath.nint(x * mpmath.mpf(2) ** 100)), 2**100)


def _refined(region: Region, r: Ratio, x: np.ndarray, k: int) -> list[Peak]:
    """A local maximum: closer points in float64, then a root of the slope in mpmath."""
    out = _peak(region, r, inside(region, float(x[k])))
    if k in (0, len(x) - 1) or not out:
        return out
    left, right = float(x[k - 1]), float(x[k + 1])
    with np.errstate(all="ignore"):
        for _ in range(3):
            close = np.linspace(left, right, 17)
            e = np.abs(floats(region.weight, close) * (floats(region.target, close) - r.floats(close)))
            if not np.isfinite(e).all():
                break
            j = int(np.argmax(e))
            left, right = close[max(j - 1, 0)], close[min(j + 1, 16)]
    a, b = mpmath.mpf(float(left)), mpmath.mpf(float(right))
    try:
        with mpmath.workdps(50):
            da, db = _slope(region, r, a), _slope(region, r, b)
            for _ in range(7):
                if da == db:
                    break
                a, da, b = b, db, b - db * (b - a) / (db - da)
                if not left <= b <= right:
                    b = mpmath.mpf((left + right) / 2)
                db = _slope(region, r, b)
                if abs(b - a) < mpmath.mpf(10) ** -18 * (1 + abs(a)):
                    break
        point = short(b)
        if region.holds(point):
            out += _peak(region, r, point)
    except (Unsure, ZeroDivisionError, ValueError, OverflowError):
        pass
    return out


def _slope(region: Region, r: Ratio, x: Any) -> Any:
    """The derivative of the weighted error."""
    f, df = with_slope(region.target, x)
    w, dw = with_slope(region.weight, x)
    p, q = polynomials.at(digits(r.top), x), polynomials.at(digits(r.bottom), x)
    dp, dq = (
        polynomials.at(digits(polynomials.slope(r.top)), x),
        polynomials.at(digits(polynomials.slope(r.bottom)), x),
    )
    return dw * (f - p / q) + w * (df - (dp * q - p * dq) / q**2)


@lru_cache(maxsize=4000)
def digits(p: polynomials.Poly) -> tuple[Any, ...]:
    return tuple(mpf(c) for c in p)


@lru_cache(maxsize=2000)
def _largest(r: Ratio, holder: "Held") -> Peak | None:
    found = peaks(holder.meant, r)
    return found[0] if found else None


class Held:
    """A meaning that can be a key."""

    def __init__(self, meant: Meaning) -> None:
        self.meant = meant

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other.meant is self.meant

    def __hash__(self) -> int:
        return id(self.meant)


def largest(meant: Meaning, r: Ratio) -> Peak | None:
    """The largest error that is found, None where none is."""
    return _largest(r, Held(meant))
