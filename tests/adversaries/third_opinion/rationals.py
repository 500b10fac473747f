"""A random rational for a target: fits, moved fits, near poles, with common factors, padded, scaled."""

import random
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

import mpmath

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.about_r import signs_of
from tests.adversaries.third_opinion.competitors import interpolated
from tests.adversaries.third_opinion.error import Peak, Ratio, largest
from tests.adversaries.third_opinion.families import Posed, decimal
from tests.adversaries.third_opinion.meaning import Meaning, meaning
from tests.adversaries.third_opinion.refuter import Statement, ratio_of

__all__ = ["EPSILONS", "Made", "exact", "hull_of", "made", "nodes", "size_of"]

EPSILONS = [Fraction(1, 10**k) for k in (0, 1, 2, 3, 4, 6, 9, 12)]


@dataclass(frozen=True)
class Made:
    """A target, its meaning, a rational, and the largest error where it is known."""

    posed: Posed
    meant: Meaning
    base: Statement
    style: str
    top: Peak | None

    @property
    def ratio(self) -> Ratio:
        return ratio_of(self.base)


def exact(size: Any, up: bool = True) -> Fraction:
    """A fraction just above or below a number of mpmath, or the number itself where it is short."""
    with mpmath.workdps(110):
        man, shift = size.man_exp
        x = Fraction(int(man)) * Fraction(2) ** int(shift)
    if x.denominator.bit_length() < 90 or not x:
        return x
    unit = Fraction(2) ** (x.numerator.bit_length() - x.denominator.bit_length() - 110)
    return (x // unit + (1 if up else 0)) * unit


def size_of(peak: Peak, up: bool = True) -> Fraction:
    return peak.exact if peak.exact is not None else exact(peak.size, up)


def hull_of(domain: Any) -> tuple[Fraction, Fraction]:
    low, high = domain[0][0], domain[-1][1]
    a = low if low > -inf else (high - 6 if high < inf else Fraction(-6))
    return Fraction(a), Fraction(high if high < inf else a + 12)


def nodes(domain: Any, count: int) -> list[Fraction]:
    low, high = hull_of(domain)
    shares = [
        Fraction(float(1 - mpmath.cos(mpmath.pi * (2 * k + 1) / (2 * count))) / 2).limit_denominator(4096)
        for k in range(count)
    ]
    return [low + (high - low) * share for share in shares]


def _outside(draw: random.Random, domain: Any) -> Fraction:
    """A point just outside the domain, or in a gap of it."""
    step = Fraction(1, draw.choice((1, 3, 100, 10**6, 10**12)))
    ends = [a - step for a, _ in domain if a > -inf] + [b + step for _, b in domain if b < inf]
    return draw.choice([e for e in ends if not any(a <= e <= b for a, b in domain)] or [Fraction(-1, 7)])


def _ratio(draw: random.Random, meant: Meaning, domain: Any) -> tuple[Ratio, str]:
    style = draw.choices(
        ("constant", "fit", "moved fit", "line", "random", "zero", "near pole"), (3, 12, 4, 2, 2, 1, 2)
    )[0]
    one = (Fraction(1),)
    if style in ("fit", "moved fit"):
        kind = draw.choice(((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (2, 2), (3, 2), (0, 1), (0, 2), (1, 2)))
        found = interpolated(meant, kind, nodes(domain, sum(kind) + 1)) if meant.regions else None
        if found is not None and not isinstance(signs_of(found.bottom, domain), Fraction):
            if style == "moved fit":
                k = draw.randrange(len(found.top))
                by = Fraction(1, 2 ** draw.randrange(2, 30)) * draw.choice((1, -1))
                found = Ratio(polynomials.plus(found.top, (*[Fraction(0)] * k, by)), found.bottom)
            return found, style
        style = "constant"
    if style == "constant":
        return Ratio((decimal(draw, -1, 1.5, draw.choice((0, 1, 2))),), one), style
    if style == "zero":
        return Ratio((Fraction(0),), one), style
    if style == "line":
        return Ratio(polynomials.trimmed((decimal(draw, -1, 1), decimal(draw, -1, 1))), one), style
    if style == "near pole":
        x = _outside(draw, domain)
        return Ratio(polynomials.trimmed((decimal(draw, -1, 1), decimal(draw, -1, 1))), (-x, Fraction(1))), style
    top = polynomials.trimmed([decimal(draw, -1, 1) for _ in range(draw.randrange(1, 4))])
    return Ratio(top, polynomials.trimmed((1, decimal(draw, -0.3, 0.3), decimal(draw, 0, 1)))), style


def _dressed(draw: random.Random, r: Ratio, posed: Posed) -> tuple[dict[str, Any], str]:
    """Coefficients of a rational: with common factors, scaled, padded with zeros, in a basis."""
    top, bottom, style = r.top, r.bottom, ""
    change = draw.random()
    if change < 0.1:
        x, style = _outside(draw, posed.domain), ", common factor"
        factor = draw.choice(((-x, Fraction(1)), (Fraction(1), Fraction(0), Fraction(1))))
        top, bottom = polynomials.times(top, factor), polynomials.times(bottom, factor)
    elif change < 0.2:
        size = draw.choice((Fraction(-1), Fraction(10**30), Fraction(1, 10**30), Fraction(-7, 3)))
        top, bottom, style = polynomials.scaled(top, size), polynomials.scaled(bottom, size), ", scaled"
    bounded = all(abs(e) < inf for pair in posed.domain for e in pair)
    out: dict[str, Any] = {"basis": "monomial", "hull": posed.domain}
    if bounded and draw.random() < 0.3:
        hull = (
            posed.domain if draw.random() < 0.7 else ((posed.domain[0][0] - 1, posed.domain[-1][1] + Fraction(1, 3)),)
        )
        ends = hull[0][0], hull[-1][1]
        top, bottom = polynomials.to_chebyshev(top, *ends), polynomials.to_chebyshev(bottom, *ends)
        out = {"basis": "chebyshev", "hull": hull}
    pad = [draw.choice((0,) * 8 + (1, 2)) for _ in range(2)]
    if any(pad):
        style += ", padded"
    sides = [(*side, *[Fraction(0)] * n) for side, n in zip((top, bottom), pad)]
    return out | {"numerator": sides[0], "denominator": sides[1], "type": (len(sides[0]) - 1, len(sides[1]) - 1)}, style


def made(draw: random.Random, posed: Posed) -> Made:
    """A rational for a target."""
    meant = meaning(posed.expression, posed.weight, posed.domain, posed.breakpoints)
    r, style = _ratio(draw, meant, posed.domain)
    form, more = _dressed(draw, r, posed)
    base = Statement(posed.expression, posed.weight, posed.domain, breakpoints=posed.breakpoints, upper=None, **form)
    known = not meant.undefined and not meant.doubt
    top = largest(meant, r) if known else None
    if top is not None and top.size and abs(mpmath.log10(top.size)) > 300:
        top = None  # nothing is stated of numbers of this size
    return Made(posed, meant, base, style + more, top)
