"""The error of a piece of code on a box of inputs, in units in the last place.

Two parts are bounded. The *approximation*: code with exact operations, and with the exponential itself in the place of
the function that calculates it, minus the target. It is ``sum_{j < N} D_j t^j + D_N t^N`` with t the distance from the
centre of the box, the coefficients of a Taylor series at the centre and, for the last one, over the whole box. The
*rounding*: running error bounds (Higham 2002, section 3.3) for results that are written as ``x^k v``, so that they are
relative ones on a box that reaches to zero.

Where code calculates in its own format the last operation rounds to it, and nothing is rounded afterwards. So the
rounding of the last operation is left out of both parts, and counts half a unit in the last place in either case.

There the series is that at 0. Where f begins with x^k, every term is divided by ``x^k``, and terms below, which are
zero up to the enclosures' own rounding, by that of the smallest number.
"""

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

from flint import arb, arb_poly

from rational_approx.arithmetic.floats import FORMATS, in_format
from rational_approx.arithmetic.precision import to_arb
from rational_approx.expressions.enclosures import ENCLOSURES, Undecided
from rational_approx.expressions.nodes import Node, build, number
from rational_approx.expressions.rays import beyond, too_large
from rational_approx.kernels.barycentric import Barycentric, Block, block_of
from rational_approx.kernels.kernel import Kernel, Piece
from rational_approx.kernels.models import ORDER, Model, applied, quotient_at, series
from rational_approx.kernels.running import power_below
from rational_approx.programs.program import Constant, Input, Operand, Result

__all__ = ["UNKNOWN", "ZERO", "Box", "Call", "Calls", "Found", "Judge", "Value", "between"]

ZERO = arb(0)


class Call(NamedTuple):
    """Of a function, the arguments between which it is proved, and its relative error; where its result is subnormal it
    may be off by half of the least number besides."""

    low: Fraction
    high: Fraction
    error: Fraction


Calls = dict[str, Call]


class Box(NamedTuple):
    """Inputs from ``lower`` to ``upper``; one that reaches to zero does so at an end. On one ``near`` zero errors are
    followed in powers of x, as on one that reaches to it."""

    lower: Fraction
    upper: Fraction
    near: bool = False


def between(a: Fraction, b: Fraction, near: bool = False) -> Box:
    """The box between two numbers, in either order."""
    return Box(min(a, b), max(a, b), near)


class Found(NamedTuple):
    """On a box: a bound of the error in units in the last place, about what it is at the centre, and the outputs."""

    ulp: float
    near: float
    lowest: arb
    highest: arb


UNKNOWN = Found(inf, 0.0, arb.neg_inf(), arb.pos_inf())


class Measured(NamedTuple):
    """On a box: the target; the error relative to it, as it is, and what comes of subnormal results; and the first
    coefficient of the target at the centre, with about the error there."""

    value: arb
    relative: arb
    absolute: arb
    besides: arb
    centre: arb
    least: arb


class Value(NamedTuple):
    """``x^power ball`` is the exact value of a step, and what is calculated is within ``abs(x)^power error + besides``:
    the second part comes of subnormal results."""

    power: int
    ball: arb
    error: arb
    besides: arb = ZERO


class Judge:
    """Judges the errors of a piece against the target as it is there.

    ``calls`` has, of each function that the piece may call, the reach and the relative error that are proved. With the
    ``tree`` of the target, where it is one, values are bounded that no ball holds.
    """

    def __init__(
        self, piece: Piece, target: Callable[[Any], Any], kernel: Kernel, calls: Calls, tree: Node | None = None
    ) -> None:
        assert piece.result is not None
        self.tree = tree
        self.format = kernel.format
        self.piece, self.target, self.calls, self.result = piece, target, calls, piece.result
        self.bits, smallest, top = FORMATS[kernel.format]
        self.least, self.top = arb(2) ** smallest, arb(2) ** top
        self.most = self.top * (1 - arb(2) ** -self.bits)
        self.normal = arb(2) ** (smallest + self.bits - 1)
        inner_bits, inner_smallest, inner_top = FORMATS[kernel.inner]
        self.order = ORDER
        self.own, self.flush = kernel.inner == kernel.format, kernel.scheme.flush
        self.nearest = self.least
        """The least size of the numbers of the box that is looked at."""
        self.squares = Fraction(2) ** (inner_smallest // 2 - 12)
        # What is lost where a result is subnormal, and may be replaced by zero, at once or as an operand.
        lost = inner_smallest + inner_bits - 1 if self.flush else inner_smallest - 1
        self.half, self.tiny = arb(2) ** -inner_bits, arb(2) ** lost
        self.inner_normal = arb(2) ** (inner_smallest + inner_bits - 1)
        self.largest = arb(2) ** (inner_top - 1)
        # A result that is a number of the format already is not rounded again.
        result = self.result
        constant = isinstance(result, Constant) and in_format(result.value, kernel.format)
        exact = constant or isinstance(result, Input) or not kernel.rounds
        self.last = arb(0) if exact else arb(1) / 2
        # Nor are sums of so small numbers that all of them are multiples of the least one.
        sums = isinstance(result, Result) and piece.steps[result.step].op in ("add", "sub")
        self.sums = self.own and sums and not self.flush
        self.block = self.barycentric(kernel)

    def barycentric(self, kernel: Kernel) -> Block | None:
        """The barycentric form in the piece, where its z is exact, and no node, and nothing is too large or small."""
        block = block_of(self.piece.steps, self.result)
        if block is None or self.flush or (kernel.format, kernel.inner) != ("float32", "float64"):
            return None
        good = block.no_node(self.piece.steps, kernel.format) and block.parts.moderate()
        return block if good else None

    # -- the code --------------------------------------------------------------------------------------------------

    def ideal(self, centre: arb, x: arb) -> list[Model]:
        """Input, steps and result of the code with exact operations."""
        one = arb(1)
        values = [Model.of([centre, one], [x, one], abs(x - centre).upper(), self.order)]

        def operand(which: Operand) -> Model:
            if isinstance(which, Constant):
                value = to_arb(which.value)
                return Model.of([value], [value], values[0].reach, self.order)
            return values[which.step + 1 if isinstance(which, Result) else 0]

        for index, (op, names) in enumerate(self.piece.steps):
            if self.block is not None and index in self.block.inside:
                values.append(values[0])  # has poles at the nodes, and no other step asks for it
            elif self.block is not None and index == self.block.last:
                values.append(quotient_at(operand(self.block.z), self.block.parts))
            else:
                values.append(applied(op.split("_")[0] if op in self.calls else op, [operand(name) for name in names]))
        return [*values, operand(self.result)]

    def calculated(self, x: arb, sharp: list[arb] | None) -> Value | None:
        """The result with its rounding errors on a box; None where there is no bound.

        ``sharp`` has enclosures of the steps' exact values; without it they are written with powers of x.
        """
        values = [Value(1, arb(1), arb(0)) if sharp is None else Value(0, x, arb(0))]

        def operand(which: Operand) -> Value:
            if isinstance(which, Constant):
                return Value(0, to_arb(which.value), arb(0))
            return values[which.step + 1 if isinstance(which, Result) else 0]

        for index, (op, names) in enumerate(self.piece.steps):
            if self.block is not None and index in self.block.inside:
                values.append(values[0])
                continue
            given = [operand(name) for name in names]
            if self.block is not None and index == self.block.last:
                known = None if sharp is None else sharp[index + 1]
                done = self.weighed(self.block.parts, operand(self.block.z), x, known)
            else:
                done = self.step(op, given, x)
            if done is None:
                return None
            if sharp is not None:
                done = done._replace(ball=_narrower(done.ball, sharp[index + 1]))
            if not (self.own and Result(index) == self.result):
                if op not in self.calls and not self.is_exact(op, given):
                    done = self.rounds(op, done, x, sharp is None, _shifts(op, given))
                if not self.largest_of(done, x) < self.largest:
                    return None
            values.append(done._replace(error=done.error.upper(), besides=done.besides.upper()))
        return operand(self.result)

    def rounds(self, op: str, done: Value, x: arb, scaled: bool, shifts: bool) -> Value:
        """With the rounding of an operation: half a place, or in proportion to powers of x, and nothing if it only
        ``shifts``; sums are never rounded where they are subnormal."""
        size, half = (abs(done.ball) + done.error).upper(), arb(0) if shifts else self.half
        normal = not self.flush and (op in ("add", "sub") or self.least_of(done) >= self.inner_normal)
        tiny = arb(0) if normal else self.tiny.min(self.largest_of(done, x))
        if not scaled:
            half *= power_below(size) if size.is_finite() else size
            # Half a place of a subnormal number is that of the least one: one of the two, unless it is flushed.
            return done._replace(error=done.error + (half + tiny if self.flush else half.max(tiny)))
        return done._replace(error=done.error + half * size, besides=done.besides * (1 + self.half) + tiny)

    def largest_of(self, done: Value, x: arb) -> arb:
        """The largest size of a step."""
        return ((abs(done.ball) + done.error).upper() * self.size(x, done.power) + done.besides).upper()

    def least_of(self, done: Value) -> arb:
        """The least size of a step; negative where nothing is known."""
        if done.power < 0:
            return arb(-1)
        return ((abs(done.ball).lower() - done.error) * self.nearest**done.power - done.besides).lower()

    def is_exact(self, op: str, given: list[Value]) -> bool:
        """Whether a difference of exact numbers is exact: one is at most twice the other (Sterbenz 1974). It is a
        multiple of a last place of the smaller one, and so no subnormal number where these are large."""
        if op != "sub" or any(value.power or not value.error.is_zero() for value in given):
            return False
        a, b = (value.ball for value in given)
        if self.flush and not abs(a).min(abs(b)).lower() * self.half > self.tiny:
            return False
        return bool((a > 0 and b > 0) or (a < 0 and b < 0)) and bool(abs(a) <= 2 * abs(b) and abs(b) <= 2 * abs(a))

    def step(self, op: str, given: list[Value], x: arb) -> Value | None:
        """The exact result of a step, and the error that its operands bring."""
        a = given[0]
        if op in self.calls:
            low, high, own = self.calls[op]
            u, off = a.ball * _power(x, a.power), a.error * self.size(x, a.power) + a.besides
            if not (u - off > to_arb(low) and u + off < to_arb(high)):
                return None
            if op.startswith("log"):
                return self.logarithm(u, off, to_arb(own))
            value, tiny = u.exp(), self.tiny if self.own else arb(0)
            return Value(0, value, (abs(value) * ((1 + to_arb(own)) * off.exp() - 1) + tiny).upper())
        b = given[1]
        if op == "fma":
            return self.sum(self.product(a, b, x), given[2], x)
        if op == "mul":
            return self.product(a, b, x)
        if op == "div":
            off = b.error + b.besides * self.size(x, -b.power)
            free = (abs(b.ball).lower() - off).lower()
            if not free > 0:
                return None
            exact, besides = a.ball / b.ball, a.besides / free * self.size(x, -b.power)
            return Value(a.power - b.power, exact, (a.error + abs(exact) * off) / free, besides)
        return self.sum(a, b._replace(ball=-b.ball) if op == "sub" else b, x)

    def weighed(self, parts: Barycentric, z: Value, x: arb, known: arb | None) -> Value | None:
        """A barycentric form of an exact z that is no node, before its quotient is rounded.

        Let ``t_j (1 + a_j)`` be the terms of the lower sum with all roundings, ``f_j t_j (1 + b_j)`` those of the upper
        one. Since ``sum(t_j (f_j - r))`` is zero, their quotient is off from r by ``sum(t_j (f_j b_j - r a_j))`` over
        the lower sum. Both are multiplied by all differences ``z - z_j``, and nothing has a pole any more.
        """
        at = z.ball * _power(x, z.power)
        top, bottom = (arb_poly(side)(at) for side in parts.sides())
        if bottom.contains(0):
            return None
        ball = top / bottom if known is None else _narrower(top / bottom, known)
        count, lost, moved = len(parts.nodes), arb(0), arb(0)
        below, above = (k * self.half / (1 - k * self.half) for k in (count + 1, count + 2))
        for k, (weight, value) in enumerate(zip(parts.weights, parts.values)):
            size = abs(to_arb(weight))
            for node in (*parts.nodes[:k], *parts.nodes[k + 1 :]):
                size *= abs(at - to_arb(node))
            lost += size * (abs(to_arb(value)) * above + abs(ball) * below)
            moved += size * below
        free = (abs(bottom).lower() - moved.upper()).lower()
        return Value(0, ball, (lost.upper() / free).upper()) if free > 0 else None

    def logarithm(self, u: arb, off: arb, own: arb) -> Value:
        """A logarithm of normal positive numbers, which are off by so much."""
        value, moved = u.log(), (off / (u - off).lower()).upper()
        return Value(0, value, (moved + own * (abs(value) + moved)).upper())

    def product(self, a: Value, b: Value, x: arb) -> Value:
        """The exact product."""
        error = abs(a.ball) * b.error + abs(b.ball) * a.error + a.error * b.error
        besides = a.besides * self.largest_of(b, x) + b.besides * self.largest_of(a, x)
        return Value(a.power + b.power, a.ball * b.ball, error, besides)

    def sum(self, a: Value, b: Value, x: arb) -> Value:
        """The exact sum, with the lower of both powers of x."""
        power = min(a.power, b.power)
        a, b = (self.lowered(value, power, x) for value in (a, b))
        return Value(power, a.ball + b.ball, a.error + b.error, a.besides + b.besides)

    def lowered(self, value: Value, power: int, x: arb) -> Value:
        """The same with a lower power of x."""
        less = value.power - power
        return Value(power, value.ball * _power(x, less), value.error * self.size(x, less), value.besides)

    def size(self, x: arb, power: int) -> arb:
        """The largest ``abs(x)^power`` of the numbers in a box."""
        return (abs(x).upper() ** power if power >= 0 else self.nearest**power).upper()

    # -- a box -----------------------------------------------------------------------------------------------------

    def found(self, box: Box) -> Found:
        """The error on a box."""
        x = to_arb(box.lower).union(to_arb(box.upper))
        if isinstance(self.result, Constant) and abs(y := to_arb(self.result.value)) >= self.top:
            return self.too_large(y, x)
        done = self.measured(box)
        if done is None:
            return UNKNOWN
        guess = float((done.least / abs(done.centre)).upper()) if done.relative.is_finite() else 0.0
        return self.judged(done.value, done.relative, done.absolute, guess, done.besides)

    def measured(self, box: Box) -> Measured | None:
        """How far the code is from the target on a box, before the last rounding."""
        zero = box.near or 0 in box[:2]
        # A ball that reaches from next to zero far out has no lower end that is known well.
        self.nearest = self.least if 0 in box[:2] else to_arb(min(abs(box.lower), abs(box.upper)))
        x = to_arb(box.lower).union(to_arb(box.upper))
        centre = arb(0) if zero else x.mid()
        reach = x if zero else abs(x - centre).upper()
        over, order = x.union(centre), self.order
        try:
            f = [*series(self.target, centre, order), series(self.target, over, order + 1)[order]]
            models = self.ideal(centre, over)
            value = self.target(x)
        except (Undecided, ValueError, ZeroDivisionError):
            return None
        gaps = [b - a for a, b in zip(f, models[-1].coefficients())]
        done = self.calculated(x, None if zero else [model.range() for model in models])
        if done is None or not all(part.is_finite() for part in (value, *f, *gaps)):
            return None
        # At zero all is divided by the first power of x that the target has there.
        first = next((j for j, c in enumerate(f) if not c.contains(0)), 0) if zero else 0
        sizes = [self.size(reach, j - first) if zero else reach**j for j in range(order + 1)]
        rounding = done.error * self.size(x, done.power - first)
        error = sum((abs(c) * size for c, size in zip(gaps, sizes)), rounding)
        others = sum((abs(c) * size for j, (c, size) in enumerate(zip(f, sizes)) if j != first), arb(0))
        least = abs(f[first]).lower() - others
        relative = (error / least).upper() if least > 0 else arb.pos_inf()
        if not first and least > 0:
            value = _narrower(value, f[0] + arb(0, others.upper()))
        # What subnormal results bring has no part in what is relative.
        besides = done.besides / self.unit((least * self.nearest**first).lower()) if least > 0 else arb(0)
        absolute = (error * self.size(x, first) + done.besides).upper()
        return Measured(value, relative, absolute, besides, f[first], abs(gaps[first]) + rounding)

    def judged(self, value: arb, relative: arb, absolute: arb, near: float, besides: arb = ZERO) -> Found:
        """The error in units in the last place from a bound relative to the value, and others ``besides``, or from an
        absolute one."""
        # abs(f) < 2^bits u(f), whatever f is. Where f is too large, the last place that there is counts.
        share = (absolute / self.unit(abs(value).lower().min(self.top * 3 / 4))).upper()
        if relative.is_finite():
            share = share.min((relative * arb(2) ** self.bits + besides).upper())
        # Where f is too large, y is infinite if what is calculated is off by less than a half place.
        if not share.is_finite() or not (abs(value) < self.top or share < arb(1) / 2):
            return UNKNOWN
        lowest, highest = (value - absolute).lower(), (value + absolute).upper()
        if 4 * relative < 1 and besides.is_zero():  # a bound that is relative to the value keeps its sign
            lowest = lowest.max(value.lower() / 2) if value > 0 else lowest
            highest = highest.min(value.upper() / 2) if value < 0 else highest
        most = (abs(value) + absolute).upper()
        if self.sums and share <= 1 and most < 4 * self.normal:
            # From there on the units are twice as large.
            beyond = absolute / self.least / 2 + arb(1) / 2 if most >= 2 * self.normal else arb(0)
            return Found(_upwards(share.max(beyond)), near * 2.0**self.bits, lowest, highest)
        return Found(self.rounded(share), near * 2.0**self.bits + float(self.last), lowest, highest)

    def rounded(self, share: arb) -> float:
        """An error of so many units in the last place, and the last rounding: half a unit of the number that it rounds.

        That is a number beyond a power of two, with units twice as large, only where a power of two lies between: then
        the result is that power of two, which is nearer than the number itself, unless it is off by more than a unit.
        """
        return _upwards(share + (self.last if share <= 1 else 2 * self.last))

    def unit(self, size: arb) -> arb:
        """The unit in the last place at a value of so large a size at least."""
        if not size > self.normal:
            return self.least
        return power_below(size.lower()) * arb(2) ** (1 - self.bits)

    def too_large(self, y: arb, x: arb) -> Found:
        """An infinite output: the target is beyond all numbers of the format on the box, and has its sign."""
        sign = 1 if y > 0 else -1
        with suppress(Undecided, ValueError, ZeroDivisionError):
            if sign * self.target(x) >= self.top:
                return Found(0.0, 0.0, y, y)
        if self.tree is not None and too_large(self.tree, x, self.top) == sign:
            return Found(0.0, 0.0, y, y)
        return UNKNOWN

    # -- a half-line -----------------------------------------------------------------------------------------------

    def beyond(self, tree: Node, start: Fraction, side: int) -> Found:
        """The error on the half-line from a number on: of a constant, or of a line."""
        at, line = to_arb(start), _line(self.piece)
        if line is None:
            return UNKNOWN
        try:
            if not line[0]:
                return self.constant_beyond(tree, to_arb(line[1]), at, side)
            if abs(line[0] * start) >= 2 ** FORMATS[self.format][2] and not line[1]:
                return self.constant_beyond(tree, to_arb(line[0] * start), at, side)
            ratio = beyond(build("/", tree, Node("variable")), at, side)
        except (Undecided, ValueError, ZeroDivisionError):
            return UNKNOWN
        if ratio.contains(0):
            return UNKNOWN
        slope, offset = map(to_arb, line)
        off = abs(offset / at)
        rounded = len(self.piece.steps) - (self.own and bool(self.piece.steps))
        error = abs(slope - ratio) + off + 2 * rounded * self.half * (abs(slope) + off)
        share = (error / abs(ratio) * arb(2) ** self.bits).upper()
        if not share < arb(1) / 2:
            return UNKNOWN
        ends = (at * slope + offset, self.most * side * slope + offset)
        return Found(self.rounded(share), 0.0, ends[0].min(ends[1]), ends[0].max(ends[1]))

    def constant_beyond(self, tree: Node, constant: arb, start: arb, side: int) -> Found:
        """The same for a constant: near to f, or of its sign where f is too large."""
        if abs(constant) >= self.top:
            # Where 1/f has a bound f keeps its sign.
            large = abs(beyond(build("/", number(1), tree), start, side)).upper() * self.top <= 1
            right = self.target(start) > 0 if constant > 0 else self.target(start) < 0
            return Found(0.0, 0.0, constant, constant) if large and right else UNKNOWN
        value = beyond(tree, start, side)
        error = abs(value - constant).upper()
        relative = (error / abs(value)).upper() if not value.contains(0) else arb.pos_inf()
        return self.judged(value, relative, error, 0.0)._replace(lowest=constant, highest=constant)


def _power(x: arb, power: int) -> arb:
    return ENCLOSURES["power"](x, Fraction(power)) if power else arb(1)


def _shifts(op: str, given: list[Value]) -> bool:
    """Whether an operation is a product with a power of two."""
    exact = [v.ball for v in given if not v.power and v.error.is_zero() and v.ball.is_exact() and not v.ball.is_zero()]
    return op == "mul" and any(abs(int(ball.man_exp()[0])) == 1 for ball in exact)


def _narrower(a: arb, b: arb) -> arb:
    return b if not a.is_finite() or (b.is_finite() and float(b.rad()) < float(a.rad())) else a


def _line(piece: Piece) -> tuple[Fraction, Fraction] | None:
    """Slope and offset of a piece that is a line, at most with one product and one sum; None for another."""
    values = [(Fraction(1), Fraction(0))]
    for op, names in piece.steps:
        a, b, *more = (which.value if isinstance(which, Constant) else which for which in names)
        if op == "fma" and len(piece.steps) == 1 and isinstance(b, Fraction) and isinstance(more[0], Fraction):
            return (b, more[0]) if (a, piece.result) == (Input(), Result(0)) else None
        a, b = (b, a) if isinstance(a, Fraction) else (a, b)
        if op not in ("mul", "add") or not isinstance(b, Fraction) or isinstance(a, Fraction) or len(values) > 2:
            return None
        slope, offset = values[-1]
        values.append((slope * b, offset * b) if op == "mul" else (slope, offset + b))
    if isinstance(piece.result, Constant):
        return None if piece.steps else (Fraction(0), piece.result.value)
    last = Result(len(piece.steps) - 1) if piece.steps else Input()
    chained = all(Result(k - 1) in names for k, (_, names) in enumerate(piece.steps) if k)
    return values[-1] if piece.result == last and chained else None


def _upwards(value: arb) -> float:
    return float(value.upper()) * (1 + 2.0**-40)
