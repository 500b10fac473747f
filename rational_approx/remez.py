"""`fit`: the best uniform rational approximation of a target."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from rational_approx.domain import End
from rational_approx.exchange import Record
from rational_approx.finish import Finished
from rational_approx.polynomials import as_chebyshev, exact, fmpq, fractions
from rational_approx.precision import fraction, working_precision
from rational_approx.rational import Rational
from rational_approx.reduction import Reduced, reduced
from rational_approx.solve import solve
from rational_approx.target import Target

__all__ = ["DidNotConverge", "Fit", "fit"]

DEFAULT_DIGITS = 18
"""Correct digits of the levelled error without ``digits=``: the float that is returned is then correctly rounded."""


@dataclass(frozen=True)
class Fit:
    """The answer to a fit, with its question.

    Attributes
    ----------
    rational:
        The best approximant found, with exact coefficients.
    error:
        The levelled weighted error: a float, or an ``mpf`` where ``digits`` were asked for.
    reference:
        Points, increasing, at which the error alternates and is largest.
    converged:
        Whether every peak of the error agrees with the levelled one.
    target, degree, digits:
        The question.
    history:
        One record per exchange.
    """

    rational: Rational
    error: Any
    reference: tuple[End, ...]
    converged: bool
    target: Target
    degree: tuple[int, int]
    digits: int | None = None
    history: tuple[Record, ...] = field(default=(), repr=False)

    def __call__(self, x: Any) -> Any:
        """The approximant at ``x``."""
        return self.rational(x)

    def error_at(self, x: np.ndarray) -> np.ndarray:
        """The weighted error ``w (f - r)`` in float64; not a number outside the domain."""
        x = np.asarray(x, dtype=np.float64)
        out = np.full(x.shape, np.nan)
        for piece in self.target.pieces:
            here = (x >= float(piece.lower)) & (x <= float(piece.upper))
            out[here] = piece.weight(x[here]) * (piece.function(x[here]) - self.rational(x[here]))
        return out

    def rounded(self, format: str, basis: str | None = None) -> Rational:
        """Near-best coefficients in a floating-point format; see :func:`rational_approx.quantize.quantize`."""
        from rational_approx.quantize import quantize

        return quantize(self, format, basis)

    def plot(self, path: str | None = None) -> Any:
        """Draw the error curve with its reference (needs matplotlib); see :func:`rational_approx.plot.error_curve`."""
        from rational_approx.plot import error_curve

        return error_curve(self, path)

    def __str__(self) -> str:
        state = "best approximation" if self.converged else "NOT converged"
        return (
            f"{self.target.name} on {self.target.domain}\n  type {self.degree}, {state}, "
            f"levelled error {mpmath.nstr(mpmath.mpf(self.error), 10)} at {len(self.reference)} points"
        )


class DidNotConverge(ArithmeticError):
    """No best approximant was found; ``fit`` is the best attempt, or None where there was none without a pole."""

    def __init__(self, message: str, fit: Fit | None = None) -> None:
        super().__init__(message)
        self.fit = fit


def fit(
    target: object,
    degree: Sequence[int] | None = None,
    domain: object = None,
    *,
    weight: object = None,
    breakpoints: Sequence[object] = (),
    digits: int | None = None,
    tolerance: float | None = None,
    interpolate: Sequence[object] = (),
) -> Fit:
    """Best uniform approximation ``min max |w (f - P/Q)|`` with ``deg P <= p`` and ``deg Q <= q``.

    A relaxed Remez exchange in float64 (see :mod:`rational_approx.levelled` and :mod:`rational_approx.exchange`),
    finished in multiprecision arithmetic (:mod:`rational_approx.finish`).

    Parameters
    ----------
    target, domain, weight, breakpoints:
        See :class:`~rational_approx.target.Target`, which may also be given itself.
    degree:
        The type ``(p, q)``.
    digits:
        Correct digits of the error; without it the error is a correctly rounded float.
    tolerance:
        In place of a degree: the cheapest type whose error is at most this.
    interpolate:
        Points at which ``r = f`` exactly, for example ``(0,)`` for a gate that must vanish at 0.

    Raises
    ------
    ValueError
        for a degree, domain, weight or target that makes no sense; the message says what to try.
    DidNotConverge
        where no best approximant was found, with the best attempt as its ``fit``.

    >>> best = fit("exp(x)", (4, 4), (-1, 1))
    >>> best.error, len(best.reference), best.converged
    (1.5380550833437264e-10, 10, True)
    """
    if not isinstance(target, Target):
        target = Target(target, domain, weight=weight, breakpoints=breakpoints)
    elif domain is not None or weight is not None or breakpoints:
        raise ValueError(
            "a Target has its own domain, weight and breakpoints: give them to Target(...), not to fit(...)"
        )
    digits = _checked_digits(digits, target)
    if degree is None:
        from rational_approx.choose import cheapest

        if tolerance is None:
            raise ValueError("give a degree=(p, q), or a tolerance= for the cheapest type that meets it")
        return cheapest(target, tolerance, digits=digits)
    return _fitted(target, _checked_degree(degree), digits, tuple(fraction(x) for x in interpolate))


def _checked_degree(degree: Any) -> tuple[int, int]:
    try:
        p, q = degree
        good = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 0 for n in (p, q))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"degree must be a pair of integers (p, q), each at least 0, not {degree!r}")
    return int(p), int(q)


def _checked_digits(digits: int | None, target: Target) -> int | None:
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


def _fitted(target: Target, degree: tuple[int, int], digits: int | None, interpolate: tuple[Fraction, ...]) -> Fit:
    problem = reduced(target, degree, interpolate)
    if target.samples is not None and sum(problem.degree) + 2 > len(target.samples[0]):
        raise ValueError(
            f"type {degree} needs at least {sum(degree) + 2} samples, and there are {len(target.samples[0])}: "
            "lower the degree"
        )
    history: list[Record] = []
    solution = solve(problem, problem.degree, digits or DEFAULT_DIGITS, history)
    if solution is not None and solution.converged:
        return _result(target, degree, digits, problem, solution.done, True, history)
    attempt = None
    if solution is not None:
        attempt = _result(target, degree, digits, problem, solution.done, False, history)
    raise DidNotConverge(
        f"no best approximant of type {degree} was found for {target!r}: try another type (one lower or higher "
        "in either degree), a smaller domain, or a gap around a jump",
        attempt,
    )


def _result(
    target: Target,
    degree: tuple[int, int],
    digits: int | None,
    problem: Reduced,
    done: Finished,
    converged: bool,
    history: list[Record],
) -> Fit:
    p, q = problem.change.restored(done.p, done.q, problem.degree)
    if target.domain.bounded:
        top, bottom, basis = as_chebyshev(p, target.domain), as_chebyshev(q, target.domain), "chebyshev"
    else:
        top, bottom, basis = fractions(p), fractions(q), "monomial"
    # Q is made positive, its largest coefficient 1 in size, and all are rounded to dyadic numbers well beyond the
    # precision of the finish.
    reference = problem.change.points_in_x(list(done.reference))
    finite = [x for x in reference if isinstance(x, Fraction)]
    largest = max(map(abs, bottom)) * (1 if q(fmpq(finite[0])) > 0 else -1)
    smallest = min(abs(exact(q(fmpq(x)))) for x in finite)  # near a kink Q falls by hundreds of orders of magnitude
    unit = 1 << (done.bits + 64 + max(0, int(abs(largest) / smallest).bit_length()))

    def dyadic(side: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        return tuple(Fraction(round(c / largest * unit), unit) for c in side)

    rational = Rational(dyadic(top), dyadic(bottom), target.domain, basis)
    # As many support points as the barycentric form needs, and no more: with a surplus its weights would cancel.
    wanted = max(rational.type) + 1
    spread = np.unique(np.round(np.linspace(min(1, len(finite) - 1), len(finite) - 1, wanted)).astype(int))
    support = tuple(dict.fromkeys(Fraction(float(finite[k])) for k in spread))
    if len(support) == wanted:
        rational = replace(rational, support=support)
    h = abs(done.h)
    if digits is None:
        error: Any = float(h)
    else:
        with working_precision(digits):
            error = mpmath.mpf(h.numerator) / h.denominator
    return Fit(rational, error, tuple(reference), converged, target, degree, digits, tuple(history))
