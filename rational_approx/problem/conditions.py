"""What a user may ask: values of the rational at named points, bounds for all of them, a type and digits."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from rational_approx.arithmetic.domain import Domain, End
from rational_approx.arithmetic.polynomials import exact, through
from rational_approx.arithmetic.precision import fraction, to_arb, to_fraction, working_bits
from rational_approx.targets.callables import scan_points
from rational_approx.targets.target import Target

__all__ = [
    "Bounds",
    "Conditions",
    "checked_bounds",
    "checked_conditions",
    "checked_degree",
    "checked_digits",
    "forced_error",
    "interpolant",
    "not_unique",
]

Bounds = tuple[End, End]
Conditions = tuple[tuple[Fraction, Fraction | None], ...]
"""Points at which the value of r is required, and that value; None for the one of f."""


def checked_conditions(interpolate: Any, target: Target) -> Conditions:
    """Points, or a mapping from points to values, in exact numbers and by position."""
    if not isinstance(interpolate, Mapping | Iterable) or isinstance(interpolate, str):
        raise ValueError(f"interpolate= takes points, as (0,), or a mapping from points to values, not {interpolate!r}")
    given = interpolate if isinstance(interpolate, Mapping) else dict.fromkeys(interpolate)
    out = {fraction(a): None if value is None else fraction(value) for a, value in given.items()}
    for a, value in out.items():
        if a not in target.domain:
            raise ValueError(f"the point {float(a):g} of interpolate= lies outside the domain {target.domain}")
        if target.samples is not None and value is None and float(a) not in target.samples[0]:
            raise ValueError(
                f"there is no sample at x = {float(a):g}: give the value required there, {{{float(a):g}: value}}"
            )
        if value and a in target.relative_zeros:
            raise ValueError(f"f vanishes at x = {float(a):g}, so a relative error is finite only for r = 0 there")
    return tuple(sorted(out.items()))


def forced_error(target: Target, conditions: Conditions) -> tuple[float, float]:
    """The largest weighted distance of a required value from f, and where: no fit has a smaller error."""
    found = [(0.0, 0.0)]
    for a, value in conditions:
        for piece in target.pieces:
            if target.samples is not None and float(a) not in target.samples[0]:
                continue  # f has no value there
            if value is not None and piece.lower <= a <= piece.upper:
                x = np.array([float(a)])
                found.append((float(piece.weight(x)[0] * abs(piece.function(x)[0] - float(value))), float(a)))
    return max(found)


def checked_bounds(bounds: Any, target: Target, conditions: Conditions) -> Bounds:
    """The pair of bounds, infinite where there is none; refused where the target itself is not within them."""
    try:
        lower, upper = bounds
        pair = Domain.of((-inf if lower is None else lower, inf if upper is None else upper))
    except (TypeError, ValueError) as problem:
        raise ValueError(f"bounds must be (lower, upper), None for no bound, not {bounds!r}: {problem}") from None
    if target.samples is not None and (pair.lower, pair.upper) != (-inf, inf):
        raise ValueError("bounds hold on a whole domain, and samples say nothing between their points: give a function")
    for piece in target.pieces:
        x = scan_points(piece.lower, piece.upper, 256)
        f = piece.function(x)
        beyond = np.maximum(float(pair.lower) - f, f - float(pair.upper))
        k = int(np.argmax(beyond))
        if beyond[k] > 1e-12 * max(1.0, float(np.abs(f).max())):
            raise ValueError(
                f"the target is {f[k]:.6g} at x = {x[k]:.6g}, {beyond[k]:.3g} outside of the bounds: widen them, or "
                "fit min(max(f, lower), upper) instead"
            )
        ends = {end for interval in target.domain.intervals for end in interval}
        for a, given in {**dict.fromkeys(target.relative_zeros), **dict(conditions)}.items():
            value = float(piece.function(np.array([float(a)]))[0] if given is None else given)
            if not float(pair.lower) <= value <= float(pair.upper):
                raise ValueError(f"r = {value:g} is required at x = {float(a):g}, outside of the bounds: widen them")
            if (
                piece.lower <= a <= piece.upper
                and a not in ends
                and min(abs(value - float(b)) for b in (pair.lower, pair.upper)) < 1e-12
            ):
                raise ValueError(
                    f"a value on a bound is required at x = {float(a):g}: the two together would pin the slope of r "
                    "as well; give up the condition, or widen the bounds"
                )
    return pair.lower, pair.upper


def not_unique(target: Target, conditions: Conditions, degree: tuple[int, int], error: float) -> str:
    """Why a best fit of this error, 0 where none was found, is not the only one; empty where nothing says so."""
    forced, a = forced_error(target, conditions)
    if forced == 0 or error > forced * (1 + 1e-9):
        return ""
    return (
        f"the value required at x = {a:g} is {forced:.3g} away from f there, and a fit of type {degree} need be no "
        "worse anywhere else, so that the best one is not unique: choose a domain at whose ends f is nearer to the "
        "value, or a smaller type"
    )


def interpolant(target: Target, roots: tuple[Fraction, ...], given: dict[Fraction, Fraction]) -> tuple[Fraction, ...]:
    """The polynomial through the given values at the roots, or those of f, in powers of x; empty where it is zero.

    Values of f are exact where they are rational numbers with denominators up to 2**60, and else within 2**-500.
    """
    values = {}
    with working_bits(512):
        for root in roots:
            piece = next((s for s in target.pieces if s.lower <= root <= s.upper), None)
            if piece is None:
                raise ValueError(f"the point {float(root):g} of interpolate= lies outside the domain {target.domain}")
            value = given[root] if root in given else to_fraction(piece.jets(to_arb(root), 1)[0][0])
            simple = value.limit_denominator(2**60)  # the value itself, where it is a rational number
            values[root] = simple if root not in given and abs(value - simple) < Fraction(1, 2**300) else value
    return tuple(exact(c) for c in through(values).coeffs())


def checked_degree(degree: Any) -> tuple[int, int]:
    """The type as a pair of integers."""
    try:
        p, q = degree
        good = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 0 for n in (p, q))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"degree must be a pair of integers (p, q), each at least 0, not {degree!r}")
    return int(p), int(q)


def checked_digits(digits: int | None, target: Target) -> int | None:
    """The digits asked for; refused where the target has no more than float64."""
    if digits is None:
        return None
    if not isinstance(digits, int) or not 1 <= digits <= 10_000:
        raise ValueError(f"digits must be an integer from 1 to 10000, not {digits!r}")
    if digits > 15 and target.samples is None and not all(piece.precise for piece in target.pieces):
        raise ValueError(
            f"{digits} digits were asked for, but the callable (or its weight) is float64: give the target as an "
            "expression string, a sympy expression, or a callable of mpmath numbers"
        )
    return digits
