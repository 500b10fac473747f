"""`Target`: the function to approximate, where, and with which weight."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import isinf
from typing import Any

import flint
import numpy as np

from rational_approx.arithmetic.domain import Domain, End, finite
from rational_approx.arithmetic.precision import fraction, to_arb, to_fraction, working_bits
from rational_approx.expressions import expression
from rational_approx.expressions.expression import Expression, from_polynomials
from rational_approx.rationals.rational import Rational
from rational_approx.targets import callables, gates, torch_activations
from rational_approx.targets.gaps import Gap, bits_of, irrational_zeros, without, zeros_beside
from rational_approx.targets.piece import Piece, check_one_sign, check_piece

__all__ = ["Target"]

_FINITE = {
    "variable",
    "pi",
    "e",
    "+",
    "*",
    "neg",
    "abs",
    "min",
    "max",
    "exp",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "softplus",
}
"""Operators whose value is finite wherever those of their arguments are."""


class Target:
    """A real function on a union of closed intervals, with a positive weight.

    Parameters
    ----------
    function:
        An expression string (``"tanh(x)"``), a gate (``gates.jumprelu(...)``) or a gate's name (``"gelu"``), a sympy
        expression, a ``torch.nn`` activation, a :class:`~rationals.rational.Rational`, a Python callable of
        floats, arrays or mpmath numbers, or samples: ``(x, y)`` or an array of shape (n, 2).
    domain:
        A pair or a list of pairs; see :class:`~rational_approx.arithmetic.domain.Domain`. A gate brings a default.
    weight:
        None (uniform), ``"relative"`` for ``1 / abs(f)``, an expression, or a positive callable. The error that is
        minimised is ``weight * (f - r)``. An expression may be infinite at zeros of f (as ``1 / abs(x)`` for
        ``tanh(x)``); then r vanishes there too. At a zero that is no rational number it cannot: the open interval
        between the two neighbouring float64 numbers is left out of the domain; see :mod:`targets.gaps`.
    breakpoints:
        Where an opaque callable has a kink or a jump. Expressions know their own.
    digits:
        Of mpmath's numbers at which the target will be asked for, where float64 has too few: these neighbours are then
        nearer.

    Raises
    ------
    ValueError
        where the target is not finite and real on its domain, jumps inside an interval without a breakpoint, or
        where the weight is not positive.

    >>> Target("abs(x)", (-1, 1))
    Target(abs(x) on Domain([-1, 1]))
    """

    def __init__(
        self,
        function: object,
        domain: object = None,
        *,
        weight: object = None,
        breakpoints: Sequence[object] = (),
        digits: int | None = None,
    ) -> None:
        if isinstance(function, Rational):
            domain = function.domain if domain is None else domain
            function = from_polynomials(*function.polynomials)
        gate = gates.find(function) or torch_activations.find(function)
        if gate is not None:
            function = gate.expression
            domain = gate.domain if domain is None else domain
        function = torch_activations.as_function(function)
        samples = callables.samples(function)
        if samples is not None:
            self._from_samples(*samples, domain, weight)
            return
        if domain is None and isinstance(function, str) and function.isidentifier() and function != "x":
            raise ValueError(f"there is no gate named {function!r}; there are {', '.join(gates.NAMES)}")
        if domain is None:
            raise ValueError(
                "the target needs a domain: give domain=(lower, upper), or a list of such pairs for a union"
            )
        self.domain = Domain.of(domain)
        self.left_out: tuple[Gap, ...] = ()
        self.samples: tuple[np.ndarray, np.ndarray] | None = None
        self.expression = callables.as_expression(function)
        self.function: Any = self.expression if self.expression is not None else function
        if self.expression is None and not callable(function):
            raise TypeError(
                f"the target must be a callable, an expression, a gate or samples (x, y), not {type(function).__name__}"
            )
        relative = isinstance(weight, str) and weight == "relative"
        if self.expression is not None and relative:
            weight = self.expression.reciprocal_size()
        elif relative:
            weight = partial(_reciprocal_size, function)
        formula = expression.parse("1") if weight is None else callables.as_expression(weight)
        self.weight: Any = formula if formula is not None else weight
        self.weight_expression = formula
        if formula is None and not callable(weight):
            raise TypeError(f"the weight must be None, 'relative', an expression or a callable, not {weight!r}")
        if not isinstance(breakpoints, Iterable) or isinstance(breakpoints, str):
            raise ValueError(f"breakpoints= takes a list of points, as [0.3], not {breakpoints!r}")
        if formula is not None and (relative or not self._bounded(formula)):
            self._leave_out(formula, bits_of(digits))
        given = tuple(fraction(b) for b in breakpoints)
        for point in given:
            if point not in self.domain:
                raise ValueError(f"the breakpoint {float(point):g} lies outside the domain {self.domain}")
        self.breakpoints = self._all_breakpoints(given)
        self.pieces = tuple(self._piece(lower, upper) for lower, upper in self.domain.split(self.breakpoints))
        # A weight may be infinite at zeros of the target, where the approximant then vanishes as well.
        self.relative_zeros: tuple[Fraction, ...] = ()
        if formula is not None and (relative or not self._bounded(formula)):
            self.relative_zeros = tuple(x for x in self._zeros() if relative or not self._weighs(formula, x))
            self.left_out = zeros_beside(self.pieces)
        zeros = (*self.relative_zeros, *(gap.zero for gap in self.left_out))
        for piece in self.pieces:
            check_piece(piece, zeros, jumps_allowed=self.expression is not None)
            if relative and self.expression is None:
                check_one_sign(piece)

    def _from_samples(self, x: np.ndarray, y: np.ndarray, order: np.ndarray, domain: object, weight: object) -> None:
        """Samples sorted by x, and the ``order`` that sorted them: an array of weights is in the order given."""
        self.left_out = ()
        self.domain = Domain.of((float(x[0]), float(x[-1])) if domain is None else domain)
        outside = (x < float(self.domain.lower)) | (x > float(self.domain.upper))
        if outside.any() or len(self.domain.intervals) > 1:
            raise ValueError(f"the domain of samples is one interval that holds all of them, not {self.domain}")
        # Samples are floats, and the decimal that names a float may lie inside of it.
        first, last = Fraction(float(x[0])), Fraction(float(x[-1]))
        self.domain = Domain.of((min(self.domain.lower, first), max(self.domain.upper, last)))
        self.samples = self.function = (x, y)
        self.expression = self.weight_expression = None
        self.breakpoints = ()
        weights = callables.sample_weights(weight, x, y, order)
        self.weight, self.relative_zeros = weights, ()
        middles = x[1:] / 2 + x[:-1] / 2  # the sample nearest to t, so that rounding in t does no harm
        self.pieces = (
            Piece(
                self.domain.lower,
                self.domain.upper,
                partial(_nearest, middles, y),
                partial(_nearest, middles, weights),
            ),
        )

    def _leave_out(self, weight: Expression, bits: int) -> None:
        # What the error is infinite at, whatever the rational: see `targets.gaps`.
        if self.expression is None:
            return
        try:
            zeros = irrational_zeros(self.expression, weight, self.domain)
        except expression.ExpressionError:  # said with the breakpoints
            return
        if zeros:
            self.domain = without(self.domain, zeros, bits)

    def _all_breakpoints(self, given: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        found = set(given)
        for formula in (self.expression, self.weight_expression):
            for lower, upper in self.domain.intervals if formula is not None else ():
                assert formula is not None
                try:
                    found.update(formula.breakpoints(lower, upper))
                except expression.ExpressionError as problem:
                    of_weight = formula is self.weight_expression
                    advice = "a relative error needs a target that vanishes on no interval; " if of_weight else ""
                    raise ValueError(
                        f"the {'weight' if of_weight else 'target'} {formula.text} is not defined on all of [{lower}, "
                        f"{upper}] ({problem}): {advice}cut that part off the domain, or choose another one"
                    ) from problem
                for jump in formula.jumps(lower, upper):
                    if jump not in given:
                        at, interval = f"{float(jump):.6g}", f"inside the interval [{lower}, {upper}]"
                        what = "weight" if formula is self.weight_expression else "target"
                        raise ValueError(
                            f"the {what} jumps at x = {at}, {interval}: leave a gap around it in the domain, or give "
                            f"breakpoints=[{at}] to fit both one-sided limits"
                        )
        return tuple(sorted(found))

    def _piece(self, lower: End, upper: End) -> Piece:
        def resolved(formula: Expression | None) -> Expression | None:
            return None if formula is None else formula.on(lower, upper)

        f, w = resolved(self.expression), resolved(self.weight_expression)
        return Piece(
            lower,
            upper,
            f if f is not None else callables.vectorised(self.function, lower, upper, self.breakpoints),
            w if w is not None else callables.vectorised(self.weight, lower, upper, self.breakpoints, "the weight"),
            f,
            w,
            None if f is not None else callables.multiprecision(self.function, lower, upper),
            None if w is not None else callables.multiprecision(self.weight, lower, upper),
        )

    def _zeros(self) -> tuple[Fraction, ...]:
        """Zeros of the target, which a relative error forces on the approximant: the breakpoints of ``abs(f)``."""
        if self.expression is None:
            return ()
        size = self.expression.size()
        inner = {b for lower, upper in self.domain.intervals for b in size.breakpoints(lower, upper)}
        ends = {end for pair in self.domain.intervals for end in pair if isinstance(end, Fraction)}
        with working_bits(512):
            found = [x for x in inner | ends if abs(self._value(x)) < Fraction(1, 2**300)]
        # Zeros are located within 2**-400; a rational number so close by is the zero itself.
        simple = [(x, x.limit_denominator(2**60)) for x in found]
        return tuple(sorted({s if abs(x - s) < Fraction(1, 2**300) else x for x, s in simple}))

    def _bounded(self, formula: Expression) -> bool:
        """Whether a formula is seen to be infinite at no point: by its functions, or by one ball for each interval."""
        if all(node.value is not None or node.operator in _FINITE for node in formula.tree.walk()):
            return True
        spans = (
            flint.arb(0, flint.arb.pos_inf())
            if isinf(lower) or isinf(upper)
            else to_arb(finite(lower)).union(to_arb(finite(upper)))
            for lower, upper in self.domain.intervals
        )
        return all(formula.ball(span).is_finite() for span in spans)

    def _weighs(self, formula: Expression, x: Fraction) -> bool:
        with working_bits(512):
            return bool(formula.ball(to_arb(x)).is_finite())

    def _value(self, x: Fraction) -> Fraction:
        piece = next(piece for piece in self.pieces if piece.lower <= x <= piece.upper)
        value = piece.jets(to_arb(x), 1)[0][0]
        return to_fraction(value) if value.is_finite() else Fraction(1)

    def closed(self) -> "Target":
        """The target with the zeros beside its pieces in the domain, where the weighted error has limits.

        It is what the problem tends to as the gaps close, with ``r = 0`` at the zeros: no rational with rational
        coefficients is a competitor any more, but r with real ones are.
        """
        whole = copy(self)
        lowers: dict[End | None, End] = {gap.upper: gap.zero for gap in self.left_out}
        uppers: dict[End | None, End] = {gap.lower: gap.zero for gap in self.left_out}
        whole.pieces = tuple(
            replace(piece, lower=lowers.get(piece.lower, piece.lower), upper=uppers.get(piece.upper, piece.upper))
            for piece in self.pieces
        )
        zeros = {gap.zero for gap in self.left_out}
        intervals: list[tuple[End, End]] = []
        for lower, upper in ((lowers.get(a, a), uppers.get(b, b)) for a, b in self.domain.intervals):
            start = intervals.pop()[0] if intervals and intervals[-1][1] == lower else lower
            intervals.append((start, upper))
        whole.domain, whole.left_out = Domain(tuple(intervals)), ()
        whole.relative_zeros = tuple(sorted({*self.relative_zeros, *zeros}))
        inner = {b for b in zeros if any(lower < b < upper for lower, upper in intervals)}
        whole.breakpoints = tuple(sorted({*self.breakpoints, *inner}))
        return whole

    def derivative(self) -> "Target":
        """The derivative of an expression as a target on the same domain, with weight 1.

        Raises
        ------
        ValueError
            where the target is no expression, its derivative is not in the language, is infinite or jumps.

        >>> Target("sin(x)", (0, 1)).derivative()
        Target(cos(x) on Domain([0, 1]))
        """
        if self.expression is None:
            raise ValueError(f"{self.name} is no expression: give its derivative as a function of its own")
        return Target(self.expression.derivative(), self.domain)

    def shifted(self, by: Fraction) -> "Target":
        """``f(x + by)`` on the domain moved as far, for a target and a weight that are expressions.

        Raises
        ------
        ValueError
            for a callable; an ExpressionError where the numbers of the formula would be too long.
        """
        if self.expression is None or self.weight_expression is None:
            raise ValueError("only an expression can be moved: a callable knows its own points alone")
        return Target(
            self.expression.shifted(by),
            [(lower - by, upper - by) for lower, upper in self.domain.intervals],
            weight=self.weight_expression.shifted(by),
            breakpoints=[point - by for point in self.breakpoints],
        )

    @property
    def zeros(self) -> tuple[Fraction, ...]:
        """The zeros at which every approximant with a small error has one, at the same point or next to it."""
        return (*self.relative_zeros, *(gap.zero for gap in self.left_out if gap.inside))

    @property
    def name(self) -> str:
        """A short description: the expression, or the callable's own name."""
        if self.expression is not None:
            return self.expression.text
        if self.samples is not None:
            return f"{len(self.samples[0])} samples"
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def __deepcopy__(self, memo: object) -> "Target":
        return self  # it is never changed, and holds callables that may not copy

    def __repr__(self) -> str:
        return f"Target({self.name} on {self.domain})"


# Functions of their own and no closures, so that a target can be pickled where its callable can.


def _reciprocal_size(function: Any, x: Any) -> Any:
    return 1 / abs(function(x))


def _nearest(middles: np.ndarray, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return values[np.searchsorted(middles, x)]
