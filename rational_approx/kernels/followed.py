"""The error of a piece that is the target's own formula, on a box of inputs.

The formula is followed node by node, with an enclosure of the exact value, and two bounds of how far the calculated
one is from it: absolute, and relative. Products, quotients and roots keep relative errors whatever their arguments are,
and so do sums of numbers of one sign; functions have proofs of their own. So a box may be as wide as all numbers of one
sign. A product that a sum takes into itself is bounded as if it were rounded. Where code calculates in its own format
the rounding of the last operation is left out, as :mod:`kernels.boxes` says.
"""

from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import NamedTuple

from flint import arb

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.expressions.enclosures import ENCLOSURES, Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.expressions.nodes import Node, evaluate
from rational_approx.expressions.rays import beyond
from rational_approx.kernels.arctangents import arctangent_error
from rational_approx.kernels.boxes import UNKNOWN, ZERO, Box, Found, Judge, between
from rational_approx.kernels.differences import expm1_error, log1p_error
from rational_approx.kernels.formulas import STYLES, USUAL, Style, Writing, rounded_constant, taken
from rational_approx.kernels.kernel import Function, Kernel, Piece
from rational_approx.kernels.library import Called, NoFormula, functions_of, kind_of
from rational_approx.kernels.logarithms import logarithm_error
from rational_approx.kernels.models import series
from rational_approx.kernels.own_sines import own_sine_error
from rational_approx.kernels.quotients import QUOTIENTS, quotient_domain, quotient_error
from rational_approx.kernels.reductions import REACH, exponential_error
from rational_approx.kernels.sines import Turns, exponent_of, least_sine, sine_error
from rational_approx.kernels.sums import DOMAINS, EXPM1_FROM, LOG1P_FROM, Errors, sum_error

__all__ = ["FollowedJudge", "Proved", "style_of"]

COARSE = Fraction(1, 2**12)
"""A function with a larger error than this is not the one that was asked for."""

FADED = 230
"""Exponentials of less than minus this may be 0 for whoever checks with fixed point."""
ROOM = 1 + 2.0**-6
"""For whoever checks a bound with enclosures of their own: here no box can be halved to gain some."""


FEW = 4
"""A value with fewer bits may be known better by its slope."""
SIGNS = 16
"""In so many parts a box is cut for the signs of the outputs."""


class Unknown(ArithmeticError):
    """A step has no bound on this box."""


class Known(NamedTuple):
    """The exact value is in ``ball``; what is calculated is off by ``absolute``, and by ``relative`` times it at most.

    Where the exact value is not 0, its size is ``least`` or more; ``zero`` says that it may be 0. ``before`` has both
    errors without the rounding of the last operation.
    """

    ball: arb
    absolute: arb
    relative: arb | None
    least: arb
    zero: bool
    before: tuple[arb, arb | None] = (ZERO, ZERO)


class Proved:
    """The functions of a kernel, with the proofs of their errors."""

    def __init__(self, kernel: Kernel, piece: Piece | None = None) -> None:
        # A kernel may have functions of one kind for some numbers and for all: then those that the piece calls count.
        called = {op for op, _ in piece.steps} if piece is not None else None
        self.functions = [each for each in kernel.functions if called is None or each.name in called]
        self.kernel, self.format, self.inner, self.scheme = kernel, kernel.format, kernel.inner, kernel.scheme

    def function(self, called: Called) -> Function:
        """The function of a kind, and of so many turns."""
        for function in self.functions:
            if kind_of(function) == called.kind and (called.turns is None or self.share(function, called) < COARSE):
                return function
        raise NoFormula(f"the code has no function {called.kind}")

    def share(self, function: Function, called: Called) -> Fraction:
        """A bound of its relative error."""
        if called.kind == "exp":
            return exponential_error(function, self.inner)
        own = {"log": logarithm_error, "expm1": expm1_error, "log1p": log1p_error, "atan": arctangent_error}
        if called.kind in own:
            return own[called.kind](function, self.inner)
        assert called.turns is not None
        try:
            if self.format == self.inner:  # at some number
                return own_sine_error(function, called.turns, self.format, (4, 4), self.scheme.flush).after
            return sine_error(function, called.turns, self.format)
        except ArithmeticError:
            return Fraction(1)


class FollowedJudge(Judge):
    """Judges a piece that is the formula of the target, on one side of zero."""

    def __init__(
        self, piece: Piece, formula: Expression, kernel: Kernel, proved: Proved, side: int, style: Style
    ) -> None:
        super().__init__(piece, formula.ball, kernel, {})
        self.followed, self.proved, self.side, self.style = formula.tree, proved, side, style

    def found(self, box: Box) -> Found:
        """The error on a box."""
        lower, upper = (to_arb(end) if end else self.least * (1 if box.upper > 0 else -1) for end in box[:2])
        whole, middle = self.judged_on(lower.union(upper)), self.judged_on((lower + upper) / 2)
        if self.own and 0 not in box[:2]:
            # Over many powers of two an enclosure loses the sign, and an extremum is overestimated.
            ends = [lower + (upper - lower) * k / SIGNS for k in range(SIGNS + 1)]
            parts = [self.judged_on(a.union(b)) for a, b in pairwise(ends)]
            lowest, highest = parts[0].lowest, parts[0].highest
            for part in parts[1:]:
                lowest, highest = lowest.min(part.lowest), highest.max(part.highest)
            whole = whole._replace(lowest=whole.lowest.max(lowest), highest=whole.highest.min(highest))
        return whole._replace(near=middle.ulp if middle.ulp < inf else 0.0)

    def judged_on(self, x: arb) -> Found:
        """The error on an interval."""
        try:
            done = taken(self.followed, self.side, _Bounds(x, self.proved, self.side), self.style)
        except (Unknown, NoFormula):  # of a function whose error is not bounded there is none
            return UNKNOWN
        value = done.ball
        with suppress(Undecided, ValueError, ZeroDivisionError):
            known = self.target(x)
            value = known.intersection(value) if known.is_finite() and known.overlaps(value) else value
        if value.rel_accuracy_bits() < FEW and not x.is_exact():
            with suppress(Undecided, ValueError, ZeroDivisionError):
                known = self.by_slope(x)
                value = known.intersection(value) if known.is_finite() and known.overlaps(value) else value
        absolute, relative = done.before if self.own else (done.absolute, done.relative)
        relative = arb.pos_inf() if relative is None else relative * ROOM
        return self.judged(value * (1 + arb(0, 2.0**-30)), relative, absolute * ROOM, 0.0)

    def by_slope(self, x: arb) -> arb:
        """The target on an interval, by its value in the middle."""
        middle = arb(x.mid())
        return self.target(middle) + series(self.target, x, 2)[1] * (x - middle)

    def beyond(self, tree: Node, start: Fraction, side: int) -> Found:
        """The error at all numbers from one on."""
        return self.found(between(start, side * to_fraction(self.most)))


def style_of(piece: Piece, formula: Expression, proved: Proved, side: int) -> Style | None:
    """The style in which a piece's operations are those of the formula, on one side of zero, or None."""
    for style in (USUAL,) if proved.format == proved.inner else STYLES:
        writing = Writing(proved)
        with suppress(NoFormula):
            result = taken(formula.tree, side, writing, style)
            if writing.writer.needed(result) == (piece.steps, piece.result):
                return style
    return None


class _Bounds:
    """What operations do with `Known` values, for inputs in an interval without zero."""

    def __init__(self, x: arb, proved: Proved, side: int) -> None:
        self.x, self.proved, self.inner, self.side = x, proved, proved.inner, side
        self.functions = functions_of(proved.format, proved.inner)
        bits, smallest, top = FORMATS[self.inner]
        self.share, self.flush = arb(2) ** -bits, proved.scheme.flush
        self.tiny = arb(2) ** (smallest + bits - 1 if self.flush else smallest - 1)
        self.normal, self.largest = arb(2) ** (smallest + bits), arb(2) ** (top - 1)

    def input(self) -> Known:
        return Known(self.x, arb(0), arb(0), abs(self.x).lower(), False)

    def constant(self, tree: Node) -> Known:
        exact = evaluate(tree, self.x, ENCLOSURES)
        if not exact.is_finite() or (exact.contains(0) and tree.value != 0):
            raise Unknown("a constant is not known")
        off = abs(to_arb(rounded_constant(tree, self.inner)) - exact).upper()
        zero = bool(exact.contains(0))
        return Known(exact, off, arb(0) if zero else (off / abs(exact)).upper(), abs(exact).lower(), zero)

    def still(self, tree: Node, value: Fraction) -> Known:
        """A constant in the place of a tree: as far off as the tree is from it anywhere beyond the inner end."""
        try:
            ball = beyond(tree, self.x.lower() if self.side > 0 else self.x.upper(), self.side)
        except (Undecided, ValueError, ZeroDivisionError):
            raise Unknown("a part has no bounds far out") from None
        off, zero = abs(ball - to_arb(round_to(value, self.inner))).upper(), bool(ball.contains(0))
        return Known(ball, off, None if zero else (off / abs(ball)).upper(), abs(ball).lower(), zero)

    def do(self, op: str, *given: Known) -> Known:
        """The operation on exact values, the errors that it takes over, and its own rounding."""
        if op == "mul" and given[1].absolute.is_zero() and given[1].ball == -1:  # exact
            return self.flushed(given[0]._replace(ball=-given[0].ball))
        if op in ("add", "sub") and not self.flush and _cancels(op, *given):
            # Both are multiples of a last place of the smaller one, and so is the difference.
            ball, least = getattr(self, op)(*given).ball, self.share * abs(given[0].ball).min(abs(given[1].ball))
            return self.settled(ball, arb(0), arb(0), arb(0), least.lower(), True)
        ball, absolute, relative, least, zero, _ = getattr(self, op)(*given)
        before = absolute.upper(), relative
        size = least.max(abs(ball).lower()) if self.flush else least
        least_size = size - absolute if self.flush and relative is None else size * (1 - (relative or arb(0)))
        # Perhaps subnormal: sums that are lose nothing where they are kept.
        if (op in ("mul", "div") or self.flush) and not least_size > self.normal:
            absolute, relative = absolute + self.tiny, None
        absolute += self.share * (abs(ball) + absolute)
        return self.settled(ball, absolute, relative, self.share, least, zero)._replace(before=before)

    def flushed(self, known: Known) -> Known:
        """A result that is not rounded, but may be flushed."""
        if not self.flush or (known.relative is not None and known.least * (1 - known.relative) > self.normal):
            return known
        return known._replace(absolute=(known.absolute + self.tiny).upper(), relative=None)

    def settled(self, ball: arb, absolute: arb, relative: arb | None, share: arb, least: arb, zero: bool) -> Known:
        """With a share of the result added to its relative error; each bound helps the other one."""
        if relative is not None:
            relative = (relative + share * (1 + relative)).upper()
            absolute = absolute.min((relative * abs(ball)).upper())
        if not ball.contains(0):
            own = (absolute / abs(ball)).upper()
            relative = own if relative is None else relative.min(own)
            least, zero = least.max(abs(ball).lower()), False
        if not (abs(ball) + absolute).upper() < self.largest:  # then it is good for nothing but the result
            return Known(ball, arb.pos_inf(), None, least, zero)
        return Known(ball, absolute.upper(), relative, least, zero)

    def sub(self, a: Known, b: Known) -> Known:
        return self.add(a, b._replace(ball=-b.ball))

    def add(self, a: Known, b: Known) -> Known:
        ball, relative = a.ball + b.ball, None
        if a.absolute.is_zero() and b.absolute.is_zero():
            relative = arb(0)
        elif a.relative is not None and b.relative is not None and _one_sign(a.ball, b.ball):
            relative = a.relative.max(b.relative)
        return Known(ball, a.absolute + b.absolute, relative, arb(0), True)

    def mul(self, a: Known, b: Known) -> Known:
        ball = a.ball * b.ball
        if a is b:  # a square
            ball = (a.ball.abs_lower() ** 2).union(a.ball.abs_upper() ** 2)
        absolute = abs(a.ball) * b.absolute + abs(b.ball) * a.absolute + a.absolute * b.absolute
        relative = None
        if a.relative is not None and b.relative is not None:
            relative = (1 + a.relative) * (1 + b.relative) - 1
        return Known(ball, absolute.upper(), relative, a.least * b.least, a.zero or b.zero)

    def div(self, a: Known, b: Known) -> Known:
        if b.zero or b.relative is None or not b.relative < arb(1) / 2 or not b.least > 0:
            raise Unknown("a denominator may vanish")
        # Where the enclosure of the denominator holds zero, its least size says how large 1/b may be.
        over = 1 / b.ball if not b.ball.contains(0) else (1 / b.least).union(-1 / b.least)
        ball, size = a.ball * over, (abs(over) / (1 - b.relative)).upper()
        absolute = (a.absolute + abs(a.ball) * b.relative) * size
        relative = None if a.relative is None else (1 + a.relative) / (1 - b.relative) - 1
        return Known(ball, absolute.upper(), relative, (a.least / abs(b.ball).upper()).lower(), a.zero)

    def sqrt(self, a: Known) -> Known:
        if not a.ball >= 0 or a.relative is None or not a.relative < 1:
            raise Unknown("the argument of a root may be negative")
        relative = 1 - (1 - a.relative).sqrt()
        ball = a.ball.sqrt()
        return Known(ball, (relative * abs(ball)).upper(), relative, a.least.sqrt(), a.zero)

    def call(self, called: Called, given: Known) -> Known:
        """A function: its own error, and what it makes of its argument's."""
        function = self.proved.function(called)
        if called.turns is not None:
            return self.wave(called, called.turns, function)
        if self.inner == self.proved.format:
            return self.summed(called.kind, function, given)
        share = to_arb(self.proved.share(function, called))
        if called.kind == "exp":
            if not abs(given.ball) + given.absolute < to_arb(REACH[self.inner]):
                raise Unknown("an argument beyond the reach of the exponential")
            ball, off = given.ball.exp(), given.absolute.exp() - 1
            if not given.ball > -FADED:
                ball = ball.union(arb(0))
            absolute = abs(ball) * ((1 + share) * (1 + off) - 1)
            return self.settled(ball, absolute.upper(), off, share, arb(0), False)
        if called.kind == "log":
            return self.logarithm(given, share)
        return self.careful(called.kind, given, share)

    def wave(self, called: Called, turns: Turns, function: Function) -> Known:
        """A sine or a cosine of x."""
        ends = to_arb(turns.low).union(to_arb(turns.high))
        if turns.zero is not None and self.x.contains(to_arb(turns.zero)):
            raise Unknown("a zero that is known exactly is looked at alone")
        u = 2 * arb.pi() * (ends * self.x + to_arb(turns.shift[0]).union(to_arb(turns.shift[1])))
        ball = u.sin() if called.kind == "sin" else u.cos()
        least = to_arb(least_sine(called.kind, turns, self.proved.format))
        exact = turns.low == turns.high and turns.shift[0] == turns.shift[1]
        if self.inner != self.proved.format:
            share = to_arb(self.proved.share(function, called))
            return self.settled(ball, (share * abs(ball)).upper(), arb(0), share, least, exact)
        size = abs(self.x)  # that of numbers of the format
        binades = [exponent_of(to_fraction(end)) - 1 for end in (size.lower(), size.upper().min(2 * self.largest))]
        binades[1] = min(binades[1], FORMATS[self.inner][2] - 1)
        try:
            errors = own_sine_error(function, turns, self.inner, (binades[0], binades[1]), self.flush)
        except ArithmeticError as problem:
            raise Unknown(str(problem)) from None
        units, before, after = map(to_arb, errors)
        known = self.settled(ball, (after * abs(ball)).upper(), arb(0), after, least, exact)
        return known._replace(before=((before * abs(ball)).upper(), units * self.share))

    def careful(self, kind: str, given: Known, share: arb) -> Known:
        """``expm1``, ``log1p`` or ``atan``, which vanish with their argument and keep its relative error."""
        absolute, relative = getattr(self, kind)(given)
        ball = getattr(given.ball, kind)()
        # 16 times smaller and something on the way may be subnormal.
        if not given.least * (1 - (given.relative or arb(0))) > 16 * self.normal:
            absolute, relative = absolute + 16 * self.tiny, None
        least = (given.least / 2).min(arb(1) / 2)
        if relative is not None:
            absolute = absolute.min(relative * abs(ball))
        return self.settled(
            ball, (absolute + share * (abs(ball) + absolute)).upper(), relative, share, least, given.zero
        )

    def expm1(self, given: Known) -> tuple[arb, arb | None]:
        """The slope between u and a neighbour is at most ``exp(u + absolute)``, and ``u exp(u) / expm1(u)`` at most
        ``1 + max(u, 0)``."""
        if not abs(given.ball) + given.absolute < to_arb(REACH[self.inner]):
            raise Unknown("an argument beyond the reach of expm1")
        grown = given.absolute.exp()
        steep = (1 + given.ball.upper().max(arb(0))) * grown
        return given.ball.exp() * (grown - 1), None if given.relative is None else given.relative * steep

    def log1p(self, given: Known) -> tuple[arb, arb | None]:
        """The slope is ``1 / (1 + u)`` at most, and ``log1p(u)`` at least ``u / (1 + u)``; below 0 at least u."""
        free = (1 + given.ball.lower() - given.absolute).lower()
        if not free > 0 or not (abs(given.ball) + given.absolute).upper() < self.largest / 4:
            raise Unknown("the argument of log1p is not known well enough")
        if given.relative is None or not given.relative < arb(1) / 2:
            return given.absolute / free, None
        steep = 1 / (1 - given.relative)
        return given.absolute / free, given.relative * (steep if given.ball >= 0 else steep.max(1 / free))

    def atan(self, given: Known) -> tuple[arb, arb | None]:
        """The slope is at most 1, and ``atan(u) / u`` falls."""
        if not (abs(given.ball) + given.absolute).upper() < self.largest.sqrt() / 4:
            raise Unknown("the argument of atan is too large")
        return given.absolute, given.relative

    def logarithm(self, given: Known, share: arb) -> Known:
        if given.relative is None or not given.relative < arb(1) / 2 or not given.ball > self.normal:
            raise Unknown("the argument of a logarithm is not known well enough")
        ball = given.ball.log()
        off = (given.relative / (1 - given.relative)).upper()
        absolute = off + share * (abs(ball) + off)
        # Of an exact argument the error is relative, also where it is 1.
        relative, least = (arb(0), self.share) if off.is_zero() else (None, arb(0))
        return self.settled(ball, absolute.upper(), relative, share, least, True)

    def summed(self, kind: str, function: Function, given: Known) -> Known:
        """A function whose last operation adds a correction."""
        if kind in QUOTIENTS:
            return self.quotient(kind, function, given)
        errors, u, off = sum_error(function, self.inner, self.flush), given.ball, given.absolute
        if kind != "log":
            ends = DOMAINS[self.inner][kind]
            if not (u - off > to_arb(ends[0]) and u + off < to_arb(ends[1])):
                raise Unknown(f"an argument for which {kind} is not proved")
        if kind in ("expm1", "log1p") and not abs(u) - off >= to_arb(EXPM1_FROM if kind == "expm1" else LOG1P_FROM):
            raise Unknown(f"an argument for which {kind} is not proved")
        if kind == "log":
            if given.relative is None or not given.relative < arb(1) / 2 or not u > self.normal:
                raise Unknown("the argument of a logarithm is not known well enough")
            ball, off = u.log(), (given.relative / (1 - given.relative)).upper()
        elif kind == "log1p":
            ball, off = u.log1p(), (off / (1 + u - off).lower()).upper()
        else:
            ball, off = (u.exp() if kind == "exp" else u.expm1()), off.expm1().upper()
        return self.corrected(kind, errors, ball, off)

    def quotient(self, kind: str, function: Function, given: Known) -> Known:
        """Such a function of an exact argument."""
        low, high = map(to_arb, quotient_domain(kind, self.inner))
        if self.flush or not given.absolute.is_zero() or not (given.ball > low and given.ball < high):
            raise Unknown(f"an argument for which {kind} is not proved")
        share = ENCLOSURES["softplus" if kind == "softplus" else "sigmoid"](given.ball)
        ball = given.ball * share if kind == "silu" else share
        return self.corrected(kind, quotient_error(function, self.inner), ball, arb(0))

    def corrected(self, kind: str, errors: Errors, ball: arb, off: arb) -> Known:
        """The result of such a function, whose argument moves it by so much: of a logarithm absolute, else relative to
        ``exp``."""
        units, before, after = map(to_arb, errors)
        if kind in ("log", "log1p"):
            absolute = [off + share * (abs(ball) + off) for share in (before, after)]
            near = arb(0) if off.is_zero() else None
            known = self.settled(ball, absolute[1].upper(), near, after, self.share if off.is_zero() else arb(0), True)
            return known._replace(before=(absolute[0].upper(), units * self.share if off.is_zero() else None))
        off = off * (1 if kind == "exp" else 3)  # exp(u) is less than 3 abs(expm1(u)) here
        absolute = [(abs(ball) * ((1 + share) * (1 + off) - 1)).upper() for share in (before, after)]
        if abs(ball).lower() > self.normal or kind == "expm1":
            known = self.settled(ball, absolute[1], off, after, arb(0), False)
        else:
            # Scaled to a subnormal number it is rounded once more, in units that are twice as large at least.
            known = self.settled(ball, absolute[1] + self.tiny, None, self.share, arb(0), False)
            units, absolute[0] = units.max((units + arb(1) / 2) / 2), absolute[1]
        return known._replace(before=(absolute[0], ((1 + units * self.share) * (1 + off) - 1).upper()))


def _cancels(op: str, a: Known, b: Known) -> bool:
    """Whether exact numbers are subtracted of which one is at most twice the other: so is the result (Sterbenz)."""
    other = b.ball if op == "sub" else -b.ball
    close = 2 * abs(a.ball) >= abs(other) and 2 * abs(other) >= abs(a.ball)
    sign = bool((a.ball > 0 and other > 0) or (a.ball < 0 and other < 0))
    return a.absolute.is_zero() and b.absolute.is_zero() and sign and bool(close)


def _one_sign(a: arb, b: arb) -> bool:
    return bool((a >= 0 and b >= 0) or (a <= 0 and b <= 0))
