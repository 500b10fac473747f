"""Pieces of code in its own format: the target's formula, or a form with coefficients, and whether it is good enough.

A piece is good where its error, with all roundings, is proved to be small at some places.
"""

from bisect import bisect_left
from fractions import Fraction

import numpy as np
from flint import arb

from rational_approx.arithmetic.floats import round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.expressions.expression import Expression
from rational_approx.kernels.boxes import between
from rational_approx.kernels.enclosed import judge_of
from rational_approx.kernels.exp_times import ExpForm
from rational_approx.kernels.fine import chebyshev_points, near_best, rounded_polynomial
from rational_approx.kernels.forms import Form, form_piece
from rational_approx.kernels.formulas import Writing, taken
from rational_approx.kernels.kernel import COSTS, Kernel, Piece
from rational_approx.kernels.library import Called, Library, NoFormula, Within
from rational_approx.kernels.own_numbers import Numbers
from rational_approx.kernels.own_sines import reach_for
from rational_approx.kernels.scheme import Scheme
from rational_approx.programs.program import INPUT, Constant, Writer

__all__ = ["Pieces"]

PLACES = 24
"""At so many places of a piece its error is proved before it is taken."""
POINTS = 60
SHARE = 0.08
"""The share of the error before the last rounding that the approximation may take."""
TRIES = 2
"""So many types that follow the target are written down."""
MOST_DEGREE, MOST_BELOW = 26, 6


def _types() -> list[tuple[int, int]]:
    kinds = [(p, 0) for p in range(MOST_DEGREE)]
    kinds += [(p, q) for q in range(1, MOST_BELOW + 1) for p in range(max(q - 1, 0), q + 3)]
    return sorted(kinds, key=lambda t: 2 * sum(t) + COSTS["div"] * (t[1] > 0))


TYPES = _types()
Data = tuple[list[arb], list[arb], list[arb]]


class Pieces:
    """Pieces for a format, within ``wanted`` units in the last place, that call functions of one library."""

    def __init__(self, numbers: Numbers, wanted: float, scheme: Scheme) -> None:
        self.numbers, self.wanted, self.scheme = numbers, wanted, scheme
        self.library = Library(numbers.format, numbers.format, 0.0, scheme)
        self.written_as: dict[Piece, tuple[Form | ExpForm, tuple[Fraction, ...], tuple[Fraction, ...]]] = {}

    def formula(self, low: Fraction, high: Fraction, formula: Expression) -> Piece | None:
        """The formula itself, where it is good from one number to another."""
        reach = reach_for(max(abs(low), abs(high)), self.numbers.format)
        writing = Writing(Within(self.library, reach))
        try:
            result = taken(formula.tree, 1 if high > 0 else -1, writing)
        except NoFormula:
            return None
        piece = Piece(float(high), *writing.writer.needed(result), "the formula itself")
        return piece if self.good(piece, low, high, formula) else None

    def shifted(self, low: Fraction, high: Fraction, formula: Expression) -> Piece | None:
        """The logarithm of subnormal numbers: that of a multiple, ``log(2^k x) - k log(2)``, with k log(2) next to a
        number of the format."""
        tree = formula.tree
        if (
            tree.operator != "log"
            or tree.arguments[0].operator != "variable"
            or high >= 4 * self.numbers.normal
            or low <= 0
        ):
            return None
        log2 = arb(2).log()
        off = {
            k: abs(k * log2 - to_arb(self.numbers.near(to_fraction((k * log2).mid()))))
            for k in range(self.numbers.top - self.numbers.bits - 2, self.numbers.top - 3)
        }
        k = min(off, key=lambda each: float(off[each]))
        writer, log = Writer(fma=False), self.library.function(Called("log"))
        result = writer.do("mul", INPUT, Constant(Fraction(2) ** k))
        result = writer.do(
            "sub", writer.do(log.name, result), Constant(self.numbers.near(to_fraction((k * log2).mid())))
        )
        piece = Piece(float(high), tuple(writer.steps), result, f"log(2^{k} x) - {k} log(2)")
        return piece if self.good(piece, low, high, formula) else None

    def fitted(self, form: Form | ExpForm, low: Fraction, high: Fraction, formula: Expression) -> Piece | None:
        """The piece with the fewest operations that is good."""
        v, g, weight = self.data(form, low, high, formula)
        if not v:
            return None
        room = SHARE * (self.wanted - 0.5)
        # What is added to the base is rounded, too: by a quarter of a unit of it on the average.
        largest = max(abs(float(a * b)) for a, b in zip(g, weight))
        if largest > 4 * 2.0**self.numbers.bits * (self.wanted - 0.5):
            return None
        if isinstance(form, ExpForm) and largest < room:
            piece = self.written(form, (), (), high)
            return piece if self.good(piece, low, high, formula) else None
        ends = ((2, 0), (MOST_DEGREE - 1, 0), (MOST_BELOW, MOST_BELOW))
        biggest = [near_best(v, g, weight, each, 2)[0] for each in ends]
        if min(biggest) > room:
            return None
        data, tried = (v, g, weight), [0, 0]  # polynomials, and quotients, whose own roundings are more
        least = bisect_left(range(MOST_DEGREE), True, key=lambda p: near_best(*data, (p, 0), 1)[0] <= room)
        for p, q in TYPES:
            if tried[0] == TRIES:  # what is lost is in the roundings
                break
            if tried[q > 0] == TRIES or (q == 0 and p < least):
                continue
            if q and near_best(*data, (p, q), 3)[0] > room:
                continue
            try:
                sides = self.rounded(data, (p, q))
            except ValueError:  # a coefficient is too large for the format
                return None
            piece = self.written(form, sides[0], sides[1], high)
            if self.good(piece, low, high, formula):
                return piece
            tried[q > 0] += 1
        return None

    def rounded(self, data: Data, type: tuple[int, int]) -> list[tuple[Fraction, ...]]:
        """The coefficients of numerator and denominator in the format."""
        if not type[1]:
            return [rounded_polynomial(*data, type[0], self.numbers.format), (Fraction(1),)]
        _, top, bottom = near_best(*data, type, 8)
        return [tuple(round_to(to_fraction(c), self.numbers.format) for c in side) for side in (top, bottom)]

    def written(
        self, form: Form | ExpForm, top: tuple[Fraction, ...], bottom: tuple[Fraction, ...], high: Fraction
    ) -> Piece:
        """The operations."""
        if isinstance(form, ExpForm):
            piece = form.piece(top, bottom, float(high), self.numbers.format, self.scheme)
        else:
            piece = form_piece(form, top, bottom, float(high), self.scheme)
        self.written_as[piece] = form, top, bottom
        return piece

    def data(self, form: Form | ExpForm, low: Fraction, high: Fraction, formula: Expression) -> Data:
        """Variable, wanted values of R, and weights in units in the last place."""
        v, g, weight = [], [], []
        ends = (to_arb(low), to_arb(high))
        if form.variable == "x^2" and low < 0 < high:
            ends = (arb(0), ends[1].max(-ends[0]))
        turned = form.variable == "1/x"
        for x in chebyshev_points(*((1 / ends[1], 1 / ends[0]) if turned else ends), POINTS):
            x = (1 / x).mid() if turned else x
            value = formula.ball(x)
            factor, e = x**form.times, arb(1)
            if isinstance(form, ExpForm):
                e = (to_arb(form.how.rate) * (x * x if form.how.square else x)).exp()
                value, base = value / e, x if form.base is None else to_arb(form.base)
            else:
                from_centre = x - to_arb(form.centre)
                factor = from_centre**form.times if form.slope else factor
                base = from_centre * to_arb(form.slope) + to_arb(form.offset)
                if form.exponential is not None:
                    a, b, _ = map(to_arb, form.exponential.rates)
                    e = (a * x + b * x * x).exp()
            factor = factor * e if form.decays else factor
            if not value.is_finite() or value.contains(0) or factor.contains(0):
                continue
            variable = {"x^2": x * x, "x - c": x - to_arb(form.centre), "e": e, "x": x, "1/x": 1 / x}[form.variable]
            v.append(variable.mid())
            g.append(((value - base) / factor).mid())
            weight.append((abs(factor / value) * arb(2) ** self.numbers.bits).mid())
        return v, g, weight

    # -- whether a piece is good -------------------------------------------------------------------------------------

    def good(self, piece: Piece, low: Fraction, high: Fraction, formula: Expression) -> bool:
        """Whether its error is proved to be small at some places between two numbers, both ends with them."""
        if not self.scheme.obeyed(piece.steps):  # such as one more term after one of Estrin's order
            return False
        kernel = Kernel(
            self.numbers.format, self.numbers.format, (piece,), tuple(self.library.made.values()), self.scheme
        )
        for a, b in ((low, min(high, Fraction(0))), (max(low, Fraction(0)), high)):
            if a >= b:
                continue
            judge = judge_of(piece, formula, kernel, (a, b))
            far = max(a, b, key=abs)
            near = [between(x, x * (1 + Fraction(1, 2**12))) for x in self.places(a, b)]
            boxes = [between(far, far * (1 - Fraction(1, 2**30))), *near]
            if 0 in (a, b) and abs(far) > judge.squares:
                side = 1 if far > 0 else -1
                outer = min(abs(far), Fraction(1, 64))
                # Where results are below twice the least normal number sums are exact; further out, in the middle of
                # a binade, subnormal products count half as much.
                steep = abs(formula.ball(to_arb(side * Fraction(1, 2**20)))).upper() * 2**20
                unit = self.numbers.normal / to_fraction(steep.max(arb(1) / 8).min(arb(8)).mid())
                # Where they are flushed: squares of numbers beyond are too large for that to count.
                ends = (judge.squares, judge.squares) if self.scheme.flush else (unit, 3 * unit)
                boxes.append(between(Fraction(0), side * ends[0]))
                # Powers of x are taken out, or not: expm1 is hardly known there as it is, a product is rounded less.
                tiny = side * ends[1], side * ends[1] * Fraction(4, 3)
                boxes.append(
                    min((between(*tiny, near=near) for near in (True, False)), key=lambda box: judge.found(box).ulp)
                )
                boxes.append(between(side * judge.squares, side * outer, near=True))
            if not all(judge.found(box).ulp <= self.wanted for box in boxes):
                return False
        return True

    def places(self, a: Fraction, b: Fraction) -> list[Fraction]:
        """Places between two numbers of the same sign: even in size, and in its logarithm."""
        side = 1 if b > 0 else -1
        near, far = sorted((abs(a), abs(b)))
        least = near or far / PLACES
        even = [near + (far - near) * k / PLACES for k in range(PLACES + 1)]
        low, high = np.log2(float(least)), np.log2(float(far))
        spread = [Fraction(float(2.0 ** (low + (high - low) * k / 6))) for k in range(1, 6)]
        margin = 1 - Fraction(1, 2**11)
        return [side * each * (margin if each == far else 1) for each in sorted({*even, *spread}) if each >= least]
