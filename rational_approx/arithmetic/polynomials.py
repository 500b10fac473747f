"""Polynomials: evaluation, exact changes of basis, and isolated roots."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import flint
import numpy as np

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.precision import working_bits

__all__ = [
    "Root",
    "as_chebyshev",
    "as_powers",
    "as_root",
    "clenshaw",
    "common_factor_removed",
    "exact",
    "fmpq",
    "fractions",
    "horner",
    "isolated_roots",
    "quotient_of_powers",
    "through",
]

Coefficients = tuple[Fraction, ...]


class Root(NamedTuple):
    """A root: its value, how often it occurs, and a proved bound on the distance to the exact root."""

    value: complex
    multiplicity: int
    radius: float


def common_factor_removed(p: flint.fmpq_poly, q: flint.fmpq_poly) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
    """Both polynomials divided by their greatest common divisor."""
    shared = p.gcd(q)
    return (p // shared, q // shared) if shared.degree() > 0 else (p, q)


def isolated_roots(poly: flint.fmpq_poly) -> tuple[Root, ...]:
    """All complex roots, ordered by real part (Arb's simultaneous isolation; multiplicities by square-free factors).

    >>> [root.value for root in isolated_roots(flint.fmpq_poly([-1, 0, 1]))]
    [(-1+0j), (1+0j)]
    """
    if poly.degree() < 1:
        return ()
    with working_bits(128):
        roots = [as_root(ball, int(multiplicity)) for ball, multiplicity in poly.numer().complex_roots()]
    return tuple(sorted(roots, key=lambda root: (root.value.real, root.value.imag)))


def as_root(ball: flint.acb, multiplicity: int) -> Root:
    """A ball around a root in float64: its own radius, and what rounding its midpoint may have added."""
    value = complex(float(ball.real.mid()), float(ball.imag.mid()))
    slack = abs(value) * 2.0**-52 + 5e-324
    return Root(value, multiplicity, float(ball.real.rad()) + float(ball.imag.rad()) + slack)


def horner(coefficients: list[flint.arb], x: Any) -> Any:
    total = x * 0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def clenshaw(coefficients: list[flint.arb], t: Any) -> Any:
    ahead, further = t * 0, t * 0
    for c in reversed(coefficients[1:]):
        ahead, further = t * ahead * 2 - further + c, ahead
    return t * ahead - further + coefficients[0]


def quotient_of_powers(top: np.ndarray, bottom: np.ndarray, x: np.ndarray) -> np.ndarray:
    # Beyond 1 in size the powers may overflow where the quotient is harmless: divide both sides by x**max(p, q).
    powers = np.polynomial.polynomial.polyval
    n = max(top.size, bottom.size)
    top, bottom = np.pad(top, (0, n - top.size)), np.pad(bottom, (0, n - bottom.size))
    small = np.abs(x) <= 1
    inside, outside = np.where(small, x, 0.0), 1.0 / np.where(small, 1.0, x)
    return np.where(
        small, powers(inside, top) / powers(inside, bottom), powers(outside, top[::-1]) / powers(outside, bottom[::-1])
    )


def fmpq(value: Fraction) -> flint.fmpq:
    return flint.fmpq(value.numerator, value.denominator)


def exact(value: flint.fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def fractions(poly: flint.fmpq_poly) -> Coefficients:
    return tuple(exact(c) for c in poly.coeffs()) or (Fraction(0),)


def through(points: Mapping[Fraction, Fraction]) -> flint.fmpq_poly:
    """The polynomial of lowest degree with given values at points (Lagrange)."""
    total = flint.fmpq_poly([0])
    for a, value in points.items():
        term = flint.fmpq_poly([fmpq(value)])
        for b in points:
            if b != a:
                term = term * flint.fmpq_poly([-fmpq(b), 1]) * (1 / fmpq(a - b))
        total += term
    return total


def affine(domain: Domain) -> tuple[flint.fmpq, flint.fmpq]:
    centre, half = (domain.lower + domain.upper) / 2, (domain.upper - domain.lower) / 2
    return fmpq(centre), fmpq(half)  # type: ignore[arg-type]


def as_powers(coefficients: Coefficients, basis: str, domain: Domain) -> flint.fmpq_poly:
    numbers = [fmpq(c) for c in coefficients]
    if basis == "monomial":
        return flint.fmpq_poly(numbers)
    centre, half = affine(domain)
    t = flint.fmpq_poly([-centre / half, 1 / half])
    before, now, total = flint.fmpq_poly([1]), t, flint.fmpq_poly(numbers[:1])
    for c in numbers[1:]:
        total, before, now = total + now * c, now, 2 * t * now - before
    return total


def as_chebyshev(poly: flint.fmpq_poly, domain: Domain) -> Coefficients:
    centre, half = affine(domain)
    rest = poly(flint.fmpq_poly([centre, half]))
    table = [flint.fmpq_poly([1]), flint.fmpq_poly([0, 1])]
    while len(table) <= rest.degree():
        table.append(2 * table[1] * table[-1] - table[-2])
    out = [Fraction(0)] * (max(rest.degree(), 0) + 1)
    for k in range(rest.degree(), -1, -1):
        if rest.degree() == k:  # leading coefficients of T_k is 2**(k - 1), and lower ones do not touch it
            c = rest[k] / table[k][k]
            out[k], rest = exact(c), rest - table[k] * c
    return tuple(out)
