"""From the user's problem to the one that is solved: symmetry divided out, half-lines mapped to [-1, 1].

An even target on a symmetric domain has an even best approximant, by uniqueness, and in ``y = x**2`` its type is
half as large; an odd one is ``x R(x**2)``; and ``c x + even`` (ReLU, GELU, SiLU, softplus) is ``c x + R(x**2)``. Left
in place, symmetry breaks an exchange, because the error has more alternations than the type accounts for.

A half-line is mapped by the Möbius map ``y = lower + s (1 + t) / (1 - t)``, under which a rational of type (n, n)
stays one; of type (p, q) with p < q it gains the known factor ``(1 - t)**(q - p)``. Together: the weighted problem

    minimise  max abs(S(t) - W(t) P(t) / Q(t)),     S = weight * (f - c x),   W = weight * factor >= 0.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf, isinf

import flint
import numpy as np

from rational_approx.domain import Domain, End, finite
from rational_approx.polynomials import fmpq
from rational_approx.precision import to_arb, to_fraction
from rational_approx.symmetry import symmetry_of
from rational_approx.target import Piece, Target

__all__ = ["Reduced", "ReducedPiece", "reduced"]

HUGE = 2.0**500
"""Where a half-line ends for floats: every function of the zoo has reached its limit long before."""


@dataclass(frozen=True)
class Map:
    """``t -> y -> x`` and the factor: ``y`` affine or Möbius in t, ``x = y`` or ``sqrt(y)``."""

    origin: Fraction
    scale: Fraction
    moebius: bool = False
    mirrored: bool = False  # the half-line (-inf, upper]
    symmetry: str = "none"  # "none", "even", "odd", "linear" (c x + even)
    slope: Fraction = Fraction(0)
    drop: int = 0  # q - p in the variable t, the exponent of (1 - t)

    def y(self, t: np.ndarray) -> np.ndarray:
        if not self.moebius:
            return float(self.origin) + float(self.scale) * t
        with np.errstate(divide="ignore"):
            far = np.minimum((1 + t) / (1 - t), HUGE)
        y = float(self.origin) + float(self.scale) * far
        return -y if self.mirrored else y

    def x(self, t: np.ndarray) -> np.ndarray:
        y = self.y(t)
        return y if self.symmetry == "none" else np.sqrt(np.maximum(y, 0.0))

    def x_jet(self, t: flint.arb_series) -> flint.arb_series:
        if not self.moebius:
            y = t * to_arb(self.scale) + to_arb(self.origin)
        elif t[0] == 1:
            y = flint.arb_series([flint.arb(2) ** 2000], prec=1)
        else:
            y = (t + 1) / (1 - t) * to_arb(self.scale) + to_arb(self.origin)
            y = -y if self.mirrored else y
        if self.symmetry == "none":
            return y
        if y[0] == 0:  # only the value is asked for at the end of a piece
            return flint.arb_series([0], prec=1)
        return y.sqrt()

    def t_of(self, end: End) -> Fraction:
        """The exact t of an end of a piece."""
        if isinstance(end, float) and isinf(end):
            return Fraction(1)
        x = finite(end)
        y = x if self.symmetry == "none" else x * x
        if not self.moebius:
            return (y - self.origin) / self.scale
        z = ((-y if self.mirrored else y) - self.origin) / self.scale
        return (z - 1) / (z + 1)


@dataclass(frozen=True)
class ReducedPiece:
    """A smooth piece in the variable t, with exact ends."""

    lower: Fraction
    upper: Fraction
    source: Piece
    map: Map

    def floats(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``S`` and ``W`` at an array of points."""
        x = np.clip(self.map.x(t), float(self.source.lower), float(self.source.upper))
        x = np.clip(x, -HUGE, HUGE)
        weight = self.source.weight(x)
        f = self.source.function(x)
        if self.map.symmetry == "linear":
            f = f - float(self.map.slope) * x
        factor = weight * x if self.map.symmetry == "odd" else weight
        if self.map.drop:
            factor = factor * (1 - t) ** self.map.drop
        return weight * f, factor

    def jets(self, t: flint.arb, order: int) -> tuple[flint.arb_series, flint.arb_series]:
        """Taylor coefficients in t of ``S`` and ``W``."""
        variable = flint.arb_series([t, 1], prec=order) if order > 1 else flint.arb_series([t], prec=1)
        x = self.map.x_jet(variable)
        f, weight = self.source.jets(x[0], order)
        if order > 1:  # f(x(t)) from the Taylor series of f around x(t0)
            shift = x - x[0]
            f, weight = _composed(f, shift), _composed(weight, shift)
        if self.map.symmetry == "linear":
            f = f - x * to_arb(self.map.slope)
        factor = weight * x if self.map.symmetry == "odd" else weight
        for _ in range(self.map.drop):
            factor = factor * (1 - variable)
        return weight * f, factor


def _composed(outer: flint.arb_series, shift: flint.arb_series) -> flint.arb_series:
    coefficients = [outer[k] for k in range(outer.prec)]
    total = shift * 0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * shift + c
    return total


@dataclass(frozen=True)
class Reduced:
    """The problem in t: pieces, type, and the way back."""

    pieces: tuple[ReducedPiece, ...]
    degree: tuple[int, int]
    map: Map
    domain: Domain

    @property
    def precise(self) -> bool:
        """Whether the target gives values to any number of digits."""
        return all(piece.source.precise for piece in self.pieces)

    def restored(self, p: flint.fmpq_poly, q: flint.fmpq_poly) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
        """Numerator and denominator in powers of x from those in powers of t."""
        origin, scale = fmpq(self.map.origin), fmpq(self.map.scale)
        if not self.map.moebius:
            inner = flint.fmpq_poly([-origin / scale, 1 / scale])
            p, q = p(inner), q(inner)
        else:  # t = (z - s) / (z + s) with z = y - origin, so multiply both sides by (z + s)**n
            top, bottom = flint.fmpq_poly([-origin - scale, 1]), flint.fmpq_poly([-origin + scale, 1])
            n = max(self.degree[0] + self.map.drop, self.degree[1])
            factor = (2 * fmpq(self.map.scale)) ** self.map.drop  # 1 - t = 2 s / (z + s)
            p, q = _homogeneous(p, top, bottom, n - self.map.drop) * factor, _homogeneous(q, top, bottom, n)
            if self.map.mirrored:
                flip = flint.fmpq_poly([0, -1])
                p, q = p(flip), q(flip)
        if self.map.symmetry != "none":
            square = flint.fmpq_poly([0, 0, 1])
            p, q = p(square), q(square)
        if self.map.symmetry == "odd":
            p = p * flint.fmpq_poly([0, 1])
        if self.map.symmetry == "linear":
            p = p + q * flint.fmpq_poly([0, fmpq(self.map.slope)])
        return p, q

    def reference_in_x(self, t: list[Fraction]) -> list[End]:
        """Points of the reference in the user's variable, infinity included; those of a symmetric problem are mirrored.

        An error that is even has the same sign at the innermost two mirrored points: one of them is left out.
        """
        points: list[End] = []
        for value in t:
            if self.map.moebius and value == 1:
                points.append(-inf if self.map.mirrored else inf)
                continue
            jet = self.map.x_jet(flint.arb_series([to_arb(value)], prec=1))
            points.append(to_fraction(jet[0]))
        if self.map.symmetry == "none":
            return sorted(points)
        points.sort()
        mirrored = [-x for x in reversed(points)]
        drop = 1 if points[0] == 0 or self.map.symmetry != "odd" else 0
        return mirrored[: len(mirrored) - drop] + points


def _homogeneous(poly: flint.fmpq_poly, top: flint.fmpq_poly, bottom: flint.fmpq_poly, n: int) -> flint.fmpq_poly:
    total = flint.fmpq_poly([0])
    for k, c in enumerate(poly.coeffs()):
        total += top**k * bottom ** (n - k) * c
    return total


def reduced(target: Target, degree: tuple[int, int]) -> Reduced:
    """The reduced problem of a target and a type."""
    p, q = degree
    domain = target.domain
    symmetry, slope = symmetry_of(target, degree) if target.samples is None else ("none", Fraction(0))
    if symmetry == "odd" and p == 0:  # the best approximant is odd, so it is zero: it is also the best constant
        symmetry, q = "none", 0
    pieces = list(target.pieces)
    if symmetry != "none":
        pieces = [replace(piece, lower=max(piece.lower, Fraction(0))) for piece in pieces if piece.upper > 0]
        p, q = (p - 1) // 2 if symmetry == "odd" else p // 2, q // 2
    lower, upper = pieces[0].lower, pieces[-1].upper
    if isinstance(lower, float) and isinstance(upper, float):
        raise ValueError(
            "on the whole line only even and odd targets (and c x + even) are fitted: shift the target to its centre"
        )
    if isinstance(lower, float) or isinstance(upper, float):
        mirrored = isinstance(lower, float)
        origin = -finite(upper) if mirrored else finite(lower)
        p = min(p, q)  # a bounded target on a half-line: a larger numerator cannot help
        scale = _centre_of_variation(target, origin, mirrored)
        if symmetry != "none":
            origin, scale = origin * origin, scale * scale
        change = Map(origin, scale, True, mirrored, symmetry, slope, q - p)
    elif symmetry != "none":
        change = Map(Fraction(0), upper * upper, symmetry=symmetry, slope=slope)
    else:
        inner = target.breakpoints
        origin = inner[0] if len(inner) == 1 else (lower + upper) / 2
        change = Map(origin, max(upper - origin, origin - lower))
    ordered = sorted(
        (ReducedPiece(*_ordered(change.t_of(s.lower), change.t_of(s.upper)), s, change) for s in pieces),
        key=lambda piece: piece.lower,
    )
    return Reduced(tuple(ordered), (p, q), change, domain)


def _ordered(a: Fraction, b: Fraction) -> tuple[Fraction, Fraction]:
    return (a, b) if a < b else (b, a)


def _centre_of_variation(target: Target, origin: Fraction, mirrored: bool) -> Fraction:
    """The distance from the end within which half of the total variation of the target lies."""
    z = np.geomspace(1e-3, 1e4, 400)
    x = float(origin) + z
    x = -x if mirrored else x
    values = np.concatenate([p.function(x[(x >= float(p.lower)) & (x <= float(p.upper))]) for p in target.pieces])[
        : z.size
    ]
    travelled = np.cumsum(np.abs(np.diff(values)))
    if travelled[-1] == 0:
        return Fraction(1)
    half = z[int(np.searchsorted(travelled, travelled[-1] / 2))]
    return Fraction(2) ** round(float(np.log2(half)))
