"""Exact polynomials, lowest degree first, and their signs."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from math import comb, inf, lcm
from typing import Any

from .reading import in_time, must, need

__all__ = ["both", "combined", "divided", "one_sign", "pole_free", "powers", "product", "side", "size", "trimmed"]
__all__ += ["value_at"]


def product(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    """The product of two polynomials."""
    out = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            out[i + j] += a * b
    return out


def combined(p: list[Fraction], q: list[Fraction], factor: Fraction) -> list[Fraction]:
    """``p + factor q``."""
    size = max(len(p), len(q))
    padded = [side + [Fraction(0)] * (size - len(side)) for side in (p, q)]
    return [a + factor * b for a, b in zip(*padded)]


def powers(coefficients: list[Fraction], basis: str, hull: Any, deadline: float = inf) -> list[Fraction]:
    """Coefficients in powers of x from those in Chebyshev polynomials on the hull, or as they are."""
    must(basis in ("chebyshev", "monomial"), "the basis is neither chebyshev nor monomial")
    must(coefficients, "there is no coefficient")
    total = coefficients
    if basis == "chebyshev":
        must(hull[0] < hull[1] and all(abs(end) < inf for end in hull), "the Chebyshev basis needs a bounded domain")
        t = [-(hull[0] + hull[1]) / (hull[1] - hull[0]), 2 / (hull[1] - hull[0])]
        need(sum(map(size, t)) * len(coefficients) < 60_000, "the ends of the domain are too long for the verifier")
        before, now, total = [Fraction(1)], t, coefficients[:1]
        for c in coefficients[1:]:
            in_time(deadline)
            total = combined(total, now, c)
            before, now = now, combined([2 * a for a in product(t, now)], before, Fraction(-1))
    return trimmed(total)


def size(value: Fraction) -> int:
    """How many bits a number takes."""
    return value.numerator.bit_length() + value.denominator.bit_length()


def trimmed(poly: list[Fraction]) -> list[Fraction]:
    """Without leading zeros."""
    while len(poly) > 1 and poly[-1] == 0:
        poly = poly[:-1]
    return poly


def value_at(poly: list[Fraction], x: Fraction, deadline: float = inf) -> Fraction:
    """The exact value at a point: Horner's rule in integers, with one fraction at the end."""
    need(size(x) * len(poly) < 1_000_000, "a point is too long for the verifier")
    common = lcm(*(c.denominator for c in poly))
    total, power = 0, 1
    for c in reversed(poly):
        in_time(deadline)
        total = total * x.numerator + c.numerator * (common // c.denominator) * power
        power *= x.denominator
    return Fraction(total * x.denominator, common * power)


def divided(poly: list[Fraction], zero: Fraction) -> list[Fraction] | None:
    """The polynomial over ``x - zero``, or None where it does not vanish there."""
    out = [poly[-1]]
    for c in reversed(poly[:-1]):
        out.append(c + zero * out[-1])
    return out[-2::-1] if out[-1] == 0 and len(out) > 1 else None


def one_sign(poly: list[Fraction], lower: Any, upper: Any, strict: bool, deadline: float = inf) -> bool | None:
    """Whether a polynomial is positive (not strict: nowhere negative) on a closed interval, by its Bernstein form.

    None where that is not decided. On a half-line, towards infinity, its leading coefficient counts.
    """
    if lower == -inf:
        mirrored = [c * (-1) ** k for k, c in enumerate(poly)]
        if upper == inf:
            return both(one_sign(side, Fraction(0), inf, strict, deadline) for side in (poly, mirrored))
        return one_sign(mirrored, -upper, inf, strict, deadline)
    poly = trimmed(poly)
    n, width = len(poly) - 1, upper - lower if upper < inf else Fraction(1)
    need(n * (size(lower) + size(width)) < 200_000, "the ends of an interval are too long for the verifier")
    # In integers: powers of s, where x = lower + s, or lower + s (upper - lower), is (start + step s) / scale.
    scale, common = lcm(lower.denominator, width.denominator), lcm(*(c.denominator for c in poly))
    start, step, whole, power = int(lower * scale), int(width * scale), [0], common
    for c in reversed(poly):
        in_time(deadline)
        whole = [start * a + step * b for a, b in zip([*whole, 0], [0, *whole])]
        whole[0] += int(c * power)
        power *= scale
    several = lcm(*(comb(n, k) for k in range(n + 1)))
    scaled = [c * (several // comb(n, k)) for k, c in enumerate(whole[: n + 1])]
    if upper < inf:
        scaled = [sum(comb(i, j) * scaled[j] for j in range(i + 1)) for i in range(n + 1)]
    stack, seen = [scaled], 0
    while stack:
        in_time(deadline)
        b, seen = stack.pop(), seen + 1
        if min(b) > 0 or (min(b) >= 0 and (not strict or (b[0] > 0 and b[-1] > 0))):
            continue
        if min(b[0], b[-1]) < (1 if strict else 0):
            return False
        if n == 0 or seen * n * n > 3_000_000:
            return None
        left, right, row = [b[0] << n], [b[-1] << n], b
        for level in range(1, n + 1):
            row = [a + c for a, c in pairwise(row)]
            left.append(row[0] << n - level)
            right.append(row[-1] << n - level)
        stack += [left, right[::-1]]
    return True


def both(answers: Iterable[bool | None]) -> bool | None:
    """True where all are, False where one is, else None."""
    known = list(answers)
    return False if False in known else None if None in known else True


def side(bottom: list[Fraction], lower: Any, upper: Any) -> int:
    """The sign of the denominator at one point of the interval, 0 at a zero."""
    value = value_at(bottom, lower if lower > -inf else upper if upper < inf else Fraction(0))
    return (value > 0) - (value < 0)


def pole_free(bottom: list[Fraction], domain: list[Any], deadline: float = inf) -> bool | None:
    """Whether the denominator keeps one strict sign on each interval."""
    answers: list[bool | None] = []
    for lower, upper in domain:
        sign = side(bottom, lower, upper)
        answers.append(bool(sign) and one_sign([sign * c for c in bottom], lower, upper, True, deadline))
    return both(answers)
