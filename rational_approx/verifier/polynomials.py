"""The verifier: exact polynomials, lowest degree first, and their signs.

Standard library only.
"""

from fractions import Fraction
from itertools import pairwise
from math import comb, inf, lcm
from typing import Any

from .reading import in_time, need

__all__ = ["combined", "divided", "one_sign", "pole_free", "powers", "product", "signed", "value_at"]


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


def powers(coefficients: list[Fraction], basis: str, hull: list[Any]) -> list[Fraction]:
    """Coefficients in powers of x from those in Chebyshev polynomials on the hull, or as they are."""
    need(basis in ("chebyshev", "monomial") and coefficients, "the basis is not known, or there is no coefficient")
    total = coefficients
    if basis == "chebyshev":
        need(hull[0] < hull[1] and all(abs(end) < inf for end in hull), "the Chebyshev basis needs a bounded domain")
        t = [-(hull[0] + hull[1]) / (hull[1] - hull[0]), 2 / (hull[1] - hull[0])]
        before, now, total = [Fraction(1)], t, coefficients[:1]
        for c in coefficients[1:]:
            total = combined(total, now, c)
            before, now = now, combined([2 * a for a in product(t, now)], before, Fraction(-1))
    while len(total) > 1 and total[-1] == 0:
        total = total[:-1]
    return total


def value_at(poly: list[Fraction], x: Fraction) -> Fraction:
    """The exact value."""
    total = Fraction(0)
    for c in reversed(poly):
        total = total * x + c
    return total


def divided(poly: list[Fraction], zero: Fraction) -> list[Fraction] | None:
    """The polynomial over ``x - zero``, or None where it does not vanish there."""
    out = [poly[-1]]
    for c in reversed(poly[:-1]):
        out.append(c + zero * out[-1])
    return out[-2::-1] if out[-1] == 0 and len(out) > 1 else None


def one_sign(poly: list[Fraction], lower: Any, upper: Any, strict: bool, deadline: float = inf) -> bool:
    """Whether a polynomial is positive (not strict: nowhere negative) on a closed interval, by its Bernstein form."""
    if lower == -inf:
        mirrored = [c * (-1) ** k for k, c in enumerate(poly)]
        if upper == inf:
            return all(one_sign(side, Fraction(0), inf, strict, deadline) for side in (poly, mirrored))
        return one_sign(mirrored, -upper, inf, strict, deadline)
    n, width = len(poly) - 1, upper - lower if upper < inf else Fraction(1)
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
        if min(b[0], b[-1]) < (1 if strict else 0) or n == 0 or seen * n * n > 3_000_000:
            return False
        left, right, row = [b[0] << n], [b[-1] << n], b
        for level in range(1, n + 1):
            row = [a + c for a, c in pairwise(row)]
            left.append(row[0] << n - level)
            right.append(row[-1] << n - level)
        stack += [left, right[::-1]]
    return True


def signed(bottom: list[Fraction], lower: Any, upper: Any) -> list[Fraction]:
    """The denominator, or its negative: the one that is positive at one point of the interval."""
    x = lower if lower > -inf else upper if upper < inf else Fraction(0)
    return [c if value_at(bottom, x) > 0 else -c for c in bottom]


def pole_free(bottom: list[Fraction], domain: list[Any], deadline: float = inf) -> bool:
    """Whether the denominator keeps one strict sign on each interval."""
    return all(one_sign(signed(bottom, lower, upper), lower, upper, True, deadline) for lower, upper in domain)
