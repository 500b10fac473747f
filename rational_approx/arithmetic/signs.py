"""Exact signs of polynomials on intervals, by Bernstein coefficients and subdivision in integers.

A polynomial of degree n on [a, b] is a convex combination of its Bernstein coefficients: where they all have one sign,
so has the polynomial. Halving (de Casteljau) makes them converge to the polynomial itself. On a half-line
``x = a + s / (1 - s)`` they are ``a_j / binomial(n, j)`` for the coefficients ``a_j`` in powers of ``x - a``.
"""

from fractions import Fraction
from math import comb, inf, lcm
from typing import NamedTuple

import flint

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.polynomials import exact, fmpq

__all__ = ["Sign", "denominator_sign", "in_range", "sign_on", "turns"]

MAX_DEPTH = 200
MAX_PARTS = 4000


class Sign(NamedTuple):
    """What is proved of a polynomial on an interval.

    ``sign`` is 1 or -1 where it keeps that strict sign on the closed interval, else 0. ``weak`` is the sign it keeps
    with zeros allowed. ``witness`` lies where the polynomial is zero, or has the sign opposite to the one at the
    interval's first end, or next to a zero within the resolution; None where nothing of that kind is proved.
    """

    sign: int
    weak: int
    witness: Fraction | None = None


def _coefficients(poly: flint.fmpq_poly, lower: Fraction, upper: End) -> list[int]:
    # Integers proportional (by a positive factor) to the Bernstein coefficients.
    n = poly.degree()
    width = upper - lower if isinstance(upper, Fraction) else Fraction(1)
    powers = [exact(c) for c in poly(flint.fmpq_poly([fmpq(lower), fmpq(width)])).coeffs()]
    scaled = [c / comb(n, j) for j, c in enumerate(powers)]
    scale = lcm(*(c.denominator for c in scaled))
    whole = [int(c * scale) for c in scaled]
    if upper == inf:
        return whole
    return [sum(comb(i, j) * whole[j] for j in range(i + 1)) for i in range(n + 1)]


def _halves(b: list[int]) -> tuple[list[int], list[int]]:
    n = len(b) - 1
    left, right, row = [b[0] << n], [b[-1] << n], list(b)
    for level in range(1, n + 1):
        row = [row[i] + row[i + 1] for i in range(len(row) - 1)]
        left.append(row[0] << (n - level))
        right.append(row[-1] << (n - level))
    return left, right[::-1]


def _point(at: Fraction, lower: Fraction, upper: End) -> Fraction:
    return lower + (upper - lower) * at if isinstance(upper, Fraction) else lower + at / (1 - at)


def _far(poly: flint.fmpq_poly, lower: Fraction, sign: int) -> Fraction:
    # A point far out where a polynomial has the sign of its leading coefficient.
    reach = Fraction(1)
    while poly(fmpq(lower + reach)) * sign <= 0:
        reach *= 2
    return lower + reach


def sign_on(poly: flint.fmpq_poly, lower: End, upper: End) -> Sign:
    """The exact sign of a polynomial on a closed interval, which may be unbounded.

    On an unbounded interval a strict sign also means that the leading coefficient has it.

    >>> sign_on(flint.fmpq_poly([1, 0, 1]), Fraction(-1), Fraction(1)).sign
    1
    >>> sign_on(flint.fmpq_poly([-1, 0, 4]), Fraction(0), inf).witness
    Fraction(1, 1)
    """
    if poly == 0:
        return Sign(0, 0, lower if isinstance(lower, Fraction) else Fraction(0))
    if lower == -inf and upper == inf:
        below, above = sign_on(poly, -inf, Fraction(0)), sign_on(poly, Fraction(0), inf)
        if below.witness is not None or above.witness is not None:
            return Sign(0, 0, below.witness if below.witness is not None else above.witness)
        return Sign(below.sign if below.sign == above.sign else 0, below.weak if below.weak == above.weak else 0)
    if lower == -inf:
        mirrored = sign_on(poly(flint.fmpq_poly([0, -1])), -upper, inf)
        return mirrored._replace(witness=None if mirrored.witness is None else -mirrored.witness)
    assert isinstance(lower, Fraction)
    first = _coefficients(poly, lower, upper)
    first_sign = (first[0] > 0) - (first[0] < 0) or (first[-1] > 0) - (first[-1] < 0)
    zero: Fraction | None = None
    signs: set[int] = set()
    parts, seen = [(first, Fraction(0), Fraction(1), 0)], 0
    while parts:
        b, start, end, depth = parts.pop()
        seen += 1
        for value, at in ((b[0], start), (b[-1], end)):
            if value == 0 and not (at == 1 and upper == inf):
                zero = _point(at, lower, upper)
            elif value:
                signs.add(1 if value > 0 else -1)
                if (1 if value > 0 else -1) != first_sign:
                    if at < 1 or upper != inf:
                        return Sign(0, 0, _point(at, lower, upper))
                    return Sign(0, 0, _far(poly, lower, -first_sign))
        least, most = min(b), max(b)
        if least > 0 or most < 0:
            continue
        if least >= 0 or most <= 0:
            signs.add(1 if most > 0 else -1)
            if b[0] and b[-1]:
                continue  # strictly inside: a Bernstein polynomial with a positive end and no negative coefficient
            zero = zero if zero is not None else _point(start, lower, upper)
            continue
        if depth == MAX_DEPTH or seen > MAX_PARTS:
            return Sign(0, 0, zero)
        middle = (start + end) / 2
        left, right = _halves(b)
        parts += [(right, middle, end, depth + 1), (left, start, middle, depth + 1)]
    weak = next(iter(signs)) if len(signs) == 1 else 0
    return Sign(weak if zero is None else 0, weak, zero)


def denominator_sign(bottom: flint.fmpq_poly, domain: Domain) -> tuple[list[int], bool | None, Fraction | None]:
    """The denominator's sign on each interval, whether it has no zero there, and a witness of a zero near by."""
    signs = [sign_on(bottom, lower, upper) for lower, upper in domain.intervals]
    witness = None
    for (lower, _), sign in zip(domain.intervals, signs):
        if witness is None and sign.sign == 0 and sign.witness is not None:
            witness = _zero_near(bottom, lower if isinstance(lower, Fraction) else sign.witness, sign.witness)
    free = True if all(sign.sign for sign in signs) else False if witness is not None else None
    return [sign.sign for sign in signs], free, witness


def _zero_near(poly: flint.fmpq_poly, start: Fraction, end: Fraction) -> Fraction:
    # Within 2**-60 of a sign change between two points; the second one where there is none.
    side = poly(fmpq(start))
    if side == 0 or side * poly(fmpq(end)) >= 0:
        return start if side == 0 else end
    for _ in range(60):
        middle = (start + end) / 2
        start, end = (middle, end) if side * poly(fmpq(middle)) > 0 else (start, middle)
    return end


def in_range(p: flint.fmpq_poly, q: flint.fmpq_poly, domain: Domain, bounds: tuple[End, End]) -> bool:
    """Whether ``lower <= p / q <= upper`` provably holds on the whole domain, decided in integers."""
    for lower, upper in domain.intervals:
        side = sign_on(q, lower, upper).sign
        if not side:
            return False
        for b, sign in zip(bounds, (side, -side), strict=True):
            above = (p - q * fmpq(b)) * sign if isinstance(b, Fraction) else flint.fmpq_poly([0])
            if above != 0 and 1 not in sign_on(above, lower, upper)[:2]:
                return False
    return True


def turns(p: flint.fmpq_poly, q: flint.fmpq_poly, domain: Domain, direction: int) -> list[Fraction]:
    """Points at which the slope of P/Q has another sign than ``direction`` (1 or -1), or may have; none where it is
    proved to have it, or to vanish, on every interval.

    >>> turns(flint.fmpq_poly([0, 0, 0, 1]), flint.fmpq_poly([1]), Domain.of((-1, 1)), 1)
    []
    """
    slope = (p.derivative() * q - p * q.derivative()) * direction
    found = []
    for lower, upper in domain.intervals:
        sign = sign_on(slope, lower, upper)
        if slope != 0 and sign.sign != 1 and sign.weak != 1:
            ends = (end for end in (sign.witness, lower, upper) if isinstance(end, Fraction))
            found.append(next(ends, Fraction(0)))
    return found
