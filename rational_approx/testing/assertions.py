"""Assertions about fits and rationals.

They raise ``AssertionError`` with the point at which they fail, and use proofs where the target is an expression; an
opaque callable is looked at on a dense grid.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import inf, prod

import flint
import numpy as np

from rational_approx.arithmetic.domain import Domain, End, finite
from rational_approx.arithmetic.precision import fraction, to_accuracy, to_arb, to_fraction
from rational_approx.arithmetic.signs import denominator_sign, in_range
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import number
from rational_approx.fitting.result import Fit
from rational_approx.proof.prover import certify
from rational_approx.rationals.rational import Rational
from rational_approx.targets.piece import Piece, largest_error
from rational_approx.targets.target import Target

__all__ = ["assert_best", "assert_equioscillates", "assert_in_range", "assert_pole_free", "assert_within"]

NOISE = 1e-13
"""Rounding errors that an opaque callable may make, as a share of its largest value."""


def _hold(condition: object, message: str) -> None:
    """An assertion that ``python -O`` does not drop."""
    if not condition:
        raise AssertionError(message)


def assert_pole_free(rational: Rational, domain: object = None) -> None:
    """The denominator has one strict sign on the domain (the rational's own by default): decided in exact arithmetic.

    >>> one = Fraction(1)
    >>> assert_pole_free(Rational((one,), (one, one), Domain.of((0, 1)), "monomial"))
    """
    where = rational.domain if domain is None else Domain.of(domain)
    _, free, zero = denominator_sign(rational.polynomials[1], where)
    at = "" if zero is None else f", at or next to x = {float(zero):.9g}"
    _hold(free is not False, f"the denominator has a zero on {where}{at}")
    _hold(free, f"the denominator comes too close to zero on {where} to decide whether it has a zero there")


def assert_in_range(rational: Rational, bounds: tuple[object, object], domain: Domain | None = None) -> None:
    """``lower <= r <= upper`` on the domain, decided exactly; None or infinity where there is no bound."""
    lower, upper = bounds
    pair = Domain.of((-inf if lower is None else lower, inf if upper is None else upper))
    where = rational.domain if domain is None else domain
    if not in_range(*rational.polynomials, where, (pair.lower, pair.upper)):
        raise AssertionError(f"the rational leaves [{pair.lower}, {pair.upper}] on {where}, or has a pole there")


def assert_within(rational: Rational, f: object, bound: float, *, weight: object = None, domain: object = None) -> None:
    """The largest ``weight * abs(f - r)`` is at most ``bound``: proved for an expression, else seen on a dense grid.

    ``f`` is a `Target`, or anything that makes one; the domain is that of the target, or of the rational.
    """
    target = f if isinstance(f, Target) else Target(f, rational.domain if domain is None else domain, weight=weight)
    certificate = certify(rational, target)
    if certificate.status == "refuted":
        raise AssertionError(certificate.reason)
    limit = fraction(bound)
    if certificate.upper is not None:
        assert certificate.lower is not None
        at = "" if certificate.witness is None else f" at x = {float(certificate.witness.x):.9g}"
        _hold(certificate.lower <= limit, f"the error is {float(certificate.lower):.9g}{at}, above {float(bound):.9g}")
        if certificate.upper <= limit or certificate.status == "proved":  # a bound within the proved gap holds as well
            return
    largest, _, x = largest_error(target.pieces, rational, 20_001)
    _hold(largest <= float(bound) + _noise(target), f"the error is {largest:.9g} at x = {x:.9g}, above {bound:.9g}")


def assert_equioscillates(fit: Fit, *, rtol: float = 1e-9) -> None:
    """The error alternates at ``fit.reference`` as often as a best approximant must, each time by ``fit.error``.

    That is ``p + q + 2`` times, less the defect where the approximant has a smaller true type, and less the points at
    which ``r = f`` was required, at each of which the sign turns over. In a fit with bounds r may touch its lower bound
    in place of a positive error, and its upper bound in place of a negative one (:mod:`exchange.restricted`).
    """
    errors = _reference_errors(fit)
    noise = _noise(fit.target)
    for (x, e), (y, d) in pairwise(errors):
        _hold(e * d < 0 or abs(e) <= noise, f"the error does not change sign from x = {x:.9g} to x = {y:.9g}")
    for x, e in errors:
        gap = abs(abs(e) - float(fit.error))
        told = f"the error at x = {x:.9g} is {e:.12g}, not {float(fit.error):.12g}"
        _hold(gap <= rtol * float(fit.error) + noise, told)
    wanted = _alternations(fit) - len({*dict(fit.interpolate), *fit.target.relative_zeros})
    found = len(errors)
    _hold(float(fit.error) <= noise or found >= wanted, f"{found} alternations, where {wanted} are needed")


def assert_best(fit: Fit, *, rtol: float = 1e-9) -> None:
    """No rational of this type has a smaller largest error (de la Vallée-Poussin), up to ``rtol``.

    That is: none whose denominator has the signs of the fit's own, on one interval none without a pole there.

    The smallest alternating error at the reference bounds the best possible one from below, the largest error on the
    domain bounds it from above, and the two agree. Bounds and conditions of the fit hold: exactly, too.
    """
    assert_pole_free(fit.rational, fit.target.domain)
    assert_in_range(fit.rational, fit.bounds, fit.target.domain)
    assert_equioscillates(fit, rtol=rtol)
    errors = _reference_errors(fit)
    lower = min((abs(e) for _, e in errors), default=0.0)
    assert_within(fit.rational, fit.target, max(lower, float(fit.error)) * (1 + rtol) + _noise(fit.target))


def _alternations(fit: Fit) -> int:
    p, q = fit.degree
    if not fit.target.domain.bounded:  # a larger numerator cannot help where the target is bounded
        p = min(p, q)
    top, bottom = fit.rational.polynomials
    if top.degree() < 0:
        return p + 2  # the zero function: its defect is q
    return p + q + 2 - max(0, min(p - int(top.degree()), q - int(bottom.degree())))


def _reference_errors(fit: Fit) -> list[tuple[float, float]]:
    """The signed error at each point of the reference, turned over at every point where ``r = f`` is required, unless
    it alternates more often without: then the condition costs nothing, as ``r(0) = 0`` of an odd target."""

    def changes(errors: list[tuple[float, float]]) -> int:
        return sum(e * d < 0 for (_, e), (_, d) in pairwise(errors))

    return max(
        (_turned_errors(fit, at) for at in ({*dict(fit.interpolate), *fit.target.relative_zeros}, set())), key=changes
    )


def _turned_errors(fit: Fit, turned: set[Fraction]) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for point in fit.reference:
        found = []
        x = _placed(point, fit.target.domain)
        for piece in fit.target.pieces:
            if piece.lower <= x <= piece.upper:  # at a breakpoint both one-sided limits count
                last = x == piece.upper
                sign = prod(-1 if x < root or (last and x == root) else 1 for root in turned)
                here = _error(fit.rational, piece, x)
                for bound, side in zip(fit.bounds, (1, -1), strict=True):
                    # Where r may not be lower (higher) because of a bound, that counts as an error of this sign.
                    walled = here * side
                    if isinstance(bound, Fraction):
                        beyond = _error(fit.rational, _constant(piece, bound), x)
                        walled = max(walled, beyond * side + float(fit.error))
                    found.append(sign * side * max(walled, 0.0))
        best = max(found, key=abs)
        if out and any(e * out[-1][1] < 0 and abs(e) > 0.5 * abs(best) for e in found):
            best = max((e for e in found if e * out[-1][1] < 0), key=abs)
        out.append((float(x), best))
    return out


def _constant(piece: Piece, value: Fraction) -> Piece:
    formula = Expression(number(value))
    return replace(piece, function=formula, expression=formula)


def _placed(x: End, domain: Domain) -> End:
    """A point of the reference, moved to the end of the domain next to it where rounding took it outside."""
    if x in domain:
        return x
    ends = [end for pair in domain.intervals for end in pair if isinstance(end, Fraction)]
    at = finite(x)
    near = min((abs(end - at), end) for end in ends)[1]
    close = abs(near - at) <= NOISE * max(1.0, abs(float(near)))
    _hold(close, f"x = {float(x):.9g} of the reference is outside of {domain}")
    return near


def _error(rational: Rational, piece: Piece, x: End) -> float:
    if not piece.precise:
        return float(piece.error(rational, np.array([float(x)]))[0])
    at = Fraction(2**400 if x > 0 else -(2**400)) if isinstance(x, float) else x

    def value() -> flint.arb:
        found = _ball(rational, piece, at)
        if not found.is_finite() and not isinstance(x, float):
            # A weight that is infinite where f and r vanish: the limit from inside, to half the precision.
            end = piece.upper if x == piece.lower else piece.lower
            found = _ball(rational, piece, at + (finite(end) - at) / 2 ** (flint.ctx.prec // 3))
        return found

    error = to_accuracy(value, 200, flint.arb("1e-60"))
    _hold(error.is_finite(), f"the error at x = {float(x):.9g} is not finite: r has a pole there, or f is not finite")
    return float(to_fraction(error))


def _ball(rational: Rational, piece: Piece, x: Fraction) -> flint.arb:
    f, weight = piece.jets(to_arb(x), 1)
    return weight[0] * (f[0] - rational(to_arb(x)))


def _noise(target: Target) -> float:
    """What rounding may add to an error: of expressions only the coefficients are rounded, far beyond float64."""
    share = 1e-25 if all(piece.precise for piece in target.pieces) else NOISE

    def size(values: np.ndarray) -> float:
        return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))

    largest = 0.0
    for piece in target.pieces:
        x = np.linspace(max(float(piece.lower), -1e3), min(float(piece.upper), 1e3), 257)
        largest = max(largest, size(piece.function(x)) * size(piece.weight(x)))
    return share * max(largest, 1e-100)
