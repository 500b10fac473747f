"""Claims about r alone, decided in fractions: a point at which one is false, or None."""

from fractions import Fraction
from math import inf
from typing import Any

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.error import Ratio

__all__ = ["about_r", "fits", "signs_of"]

FORMATS = {
    "float64": (53, -1074, 1024),
    "float32": (24, -149, 128),
    "bfloat16": (8, -133, 128),
    "float16": (11, -24, 16),
}


def signs_of(bottom: polynomials.Poly, domain: Any) -> list[int] | Fraction:
    """The sign of Q on each interval of a domain, or a point next to a zero."""
    signs = []
    for low, high in domain:
        found = polynomials.roots(bottom, low, high) if any(bottom) else [(Fraction(0), Fraction(0))]
        if found:
            return found[0][0]
        x = low if low > -inf else high if high < inf else Fraction(0)
        signs.append(1 if polynomials.at(bottom, x) > 0 else -1)
    return signs


def about_r(domain: Any, name: str, arguments: Any, r: Ratio) -> Fraction | None:
    """A point at which a claim about r alone is false."""
    p, q = r.top, r.bottom
    if name == "saturation":
        start, end, limit, tolerance = arguments
        if not start < end or abs(limit) == inf or abs(tolerance) == inf:
            return Fraction(0)
        zeros = polynomials.roots(q, start, end)
        if zeros:
            return zeros[0][0]
        return about_r(((start, end),), "range", (limit - tolerance, limit + tolerance), r)
    square, slope = polynomials.times(q, q), None
    if name in ("monotone", "lipschitz"):
        slope = polynomials.plus(
            polynomials.times(polynomials.slope(p), q), polynomials.times(p, polynomials.slope(q)), Fraction(-1)
        )
    over = polynomials.times(p, q)  # of the sign of r
    tests = []
    if name == "range":
        low, high = arguments
        if low == inf or high == -inf:
            return Fraction(0)
        tests += [polynomials.plus(over, square, -low)] if low > -inf else []
        tests += [polynomials.plus(polynomials.scaled(square, high), over, Fraction(-1))] if high < inf else []
    elif name == "monotone":
        if arguments[0] not in ("increasing", "decreasing"):
            return Fraction(0)
        tests.append(polynomials.scaled(slope, Fraction(1 if arguments[0] == "increasing" else -1)))
    else:
        bounded = polynomials.scaled(square, arguments[0])
        tests += [polynomials.plus(bounded, slope, Fraction(sign)) for sign in (1, -1)]
    for low, high in domain:
        for test in tests:
            x = polynomials.negative_at(test, low, high)
            if x is not None:
                return x
    return None


def fits(values: Any, name: Any) -> bool:
    """Whether every number is one of a floating-point format."""
    if name not in FORMATS:
        return False
    bits, least, most = FORMATS[name]
    for value in values:
        n, d = abs(value.numerator), value.denominator
        if not n:
            continue
        if d & (d - 1):
            return False
        low = (n & -n).bit_length() - d.bit_length()  # the place of the last bit
        high = n.bit_length() - d.bit_length() + 1
        if high - low > bits or low < least or high > most:
            return False
    return True
