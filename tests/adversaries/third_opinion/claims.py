"""Random claims next to their truth, on either side of it."""

import random
from fractions import Fraction
from math import inf
from typing import Any

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.about_r import signs_of
from tests.adversaries.third_opinion.error import Ratio
from tests.adversaries.third_opinion.rationals import EPSILONS, Made, exact, hull_of, size_of
from tests.adversaries.third_opinion.refuter import Statement, refute_claim
from tests.adversaries.third_opinion.slopes import slope_peak
from tests.adversaries.third_opinion.values import Unsure

__all__ = ["claims"]


def _extremes(r: Ratio, domain: Any) -> tuple[Fraction, Fraction] | None:
    slope = polynomials.plus(
        polynomials.times(polynomials.slope(r.top), r.bottom),
        polynomials.times(r.top, polynomials.slope(r.bottom)),
        Fraction(-1),
    )
    values = []
    try:
        for low, high in domain:
            marks = [Fraction(e) for e in (low, high) if abs(e) < inf]
            marks += [low + 2**40 if low > -inf else Fraction(2**40)] if high == inf else []
            marks += [Fraction(-(2**40))] if low == -inf else []
            marks += [(a + b) / 2 for a, b in polynomials.roots(slope, low, high)]
            values += [r(x) for x in marks]
    except Unsure:
        return None
    return min(values), max(values)


def _near(draw: random.Random, x: Fraction) -> Fraction:
    """A number close to another, on either side of it, and of a modest length."""
    moved = x + draw.choice((1, -1)) * draw.choice(EPSILONS) * (abs(x) or 1)
    return moved.limit_denominator(10**18)


def claims(
    draw: random.Random, one: Made, count: int, stated: Statement | None = None, formats: bool = False
) -> list[tuple[tuple[Any, ...], str, bool]]:
    """Claims with their kind and whether they are true."""
    r, domain, out = one.ratio, one.posed.domain, []
    stated = stated or one.base
    if isinstance(signs_of(r.bottom, domain), Fraction):  # no claim is true of a rational with a pole
        return [
            (("error", Fraction(10**9)), "error, with a pole", False),
            (("range", -inf, inf), "range, with a pole", False),
        ]
    names = ["range", "range", "monotone", "lipschitz", "saturation", *(["format"] if formats else [])]
    if one.meant.undefined:
        names += ["error", "derivative"]
    elif one.top is not None:
        names += ["error", "error", "error", "derivative"]
    for _ in range(count):
        claim = _claim(draw, draw.choice(names), one, r, domain)
        if claim is None:
            continue
        about_target = claim[0] in ("error", "derivative", "best")
        if about_target and one.meant.undefined:
            out.append((claim, claim[0], False))
            continue
        false = refute_claim(stated, claim, one.meant if about_target else None, r) is not None
        if claim[0] == "derivative" and not false and claim[1] < 10**6:
            false = _steep(one, claim[1])
        out.append((claim, claim[0], not false))
    return out


def _steep(one: Made, bound: Fraction) -> bool:
    top = slope_peak(one.meant, one.ratio)
    return top is not None and exact(top.size) > bound


def _claim(draw: random.Random, name: str, one: Made, r: Ratio, domain: Any) -> tuple[Any, ...] | None:
    if name == "error":
        size = size_of(one.top) if one.top is not None else Fraction(10**6)
        eps = draw.choice(EPSILONS)
        return (name, size * (1 + eps) if draw.random() < 0.5 else size * (1 - eps))
    if name == "derivative":
        top = slope_peak(one.meant, r) if one.top is not None else None
        if top is None or top.size > 10**6:
            return (name, Fraction(draw.choice((1, 10, 1000))))
        eps, size = draw.choice(EPSILONS[1:6]), exact(top.size).limit_denominator(10**20)
        return (name, size * (1 + eps) if draw.random() < 0.5 else size * (1 - eps))
    if name == "format":
        return (name, draw.choice(("float64", "float32", "bfloat16", "float16")))
    if name == "monotone":
        return (name, draw.choice(("increasing", "decreasing")))
    span = domain
    if name == "saturation":
        low, high = hull_of(domain)
        start = draw.choice((low, high, high, low - 1))
        end = draw.choice((high, high + 1, inf, start + Fraction(1, 10), start + 3))
        if not start < end:
            return None
        span = ((start, end),)
    if isinstance(signs_of(r.bottom, span), Fraction):
        return (
            (name, *span[0], Fraction(0), Fraction(10))
            if name == "saturation"
            else (name, -inf, inf)
            if name == "range"
            else None
        )
    found = _extremes(r, span)
    if found is None:
        return None
    least, most = found
    if name == "saturation":
        limit = draw.choice((least, most, (least + most) / 2)).limit_denominator(10**12)
        return (name, *span[0], limit, abs(_near(draw, max(abs(most - limit), abs(least - limit)))))
    if name == "lipschitz":
        low, high = hull_of(domain)
        try:
            return (
                name,
                abs(
                    _near(
                        draw,
                        max(
                            abs(r.slope(low + (high - low) * Fraction(k, 16)))
                            for k in range(17)
                            if any(a <= low + (high - low) * Fraction(k, 16) <= b for a, b in domain)
                        ),
                    )
                ),
            )
        except (Unsure, ValueError):
            return None
    a, b = (-inf if draw.random() < 0.15 else _near(draw, least)), (inf if draw.random() < 0.15 else _near(draw, most))
    return (name, a, b) if a < b else None
