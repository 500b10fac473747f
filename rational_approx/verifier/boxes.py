"""The verifier: the error of a piece of code on a box of inputs, in units in the last place.

Taylor coefficients of target and code are in powers of ``s = (x - centre) / h``, at the centre and, for the last one,
over the box: their differences bound the approximation. Rounding errors are added step by step. On a box that ends at
zero the centre is 0, and what has powers of x is divided by them. Standard library only.
"""

from fractions import Fraction
from typing import Any, NamedTuple

from .intervals import Interval, size
from .jets import Arithmetic, Jet
from .reading import need

__all__ = ["AtZero", "Judge", "Outcome"]

ORDER = 11
"""Taylor coefficients before the last one."""


class Outcome(NamedTuple):
    """Whether the error on a box is as small as stated, and bounds of the outputs before they are rounded."""

    holds: bool
    low: int
    high: int


class Value(NamedTuple):
    """A step's exact value is ``x^power`` times the enclosed one, and calculated within ``abs(x)^power error``."""

    power: int
    value: Interval
    error: int


class Judge:
    """A piece: its steps, its result, and the target as it is there."""

    def __init__(self, math: Arithmetic, code: tuple[list[Any], Any], tree: tuple, calls: dict[str, Any]) -> None:
        self.math, (self.steps, self.result), self.tree, self.calls = math, code, tree, calls

    def target(self, u: Jet) -> Jet:
        """The target's Taylor coefficients."""
        return self.math.evaluate(self.tree, u)

    # -- exact operations --------------------------------------------------------------------------------------------

    def constant(self, value: float, count: int) -> Jet:
        return [self.math.exact(Fraction(value)), *[(0, 0)] * (count - 1)]

    def jets(self, u: Jet, centre: list[Jet] | None) -> list[Jet]:
        """Input, steps and result; over a box, with what they are at its centre."""
        values, math = [u], self.math

        def of(which: Any) -> tuple[Jet, Jet | None]:
            if isinstance(which, float):
                return self.constant(which, len(u)), None
            at = 0 if which == "x" else which + 1
            return values[at], centre[at] if centre else None

        for op, names in self.steps:
            (a, a_centre), *rest = map(of, names)
            if op in self.calls:
                values.append(math.integrate((math.exp(a[0][0])[0], math.exp(a[0][1])[1]), None, a))
                continue
            b, b_centre = rest[0]
            if op == "fma":
                values.append(added(math.jet_mul(a, b), rest[1][0]))
            elif op == "div":
                values.append(math.jet_div(self.narrowed(a, a_centre), self.narrowed(b, b_centre)))
            elif op == "mul":
                values.append(math.jet_mul(a, b))
            else:
                values.append(added(a, b if op == "add" else [(-high, -low) for low, high in b]))
        return [*values, of(self.result)[0]]

    def narrowed(self, over: Jet, centre: Jet | None) -> Jet:
        """Coefficients over a box: of a polynomial from those at the centre, so that its terms cancel."""
        if centre is None or over[-1] != (0, 0):
            return over
        return self.math.over([*centre, (0, 0)], len(over))

    # -- rounding ----------------------------------------------------------------------------------------------------

    def calculated(self, x: Interval, least: int, sharp: list[Interval] | None, bits: int) -> Value:
        """The result with its rounding errors; with enclosures of the exact steps, or with powers of x."""
        math, one = self.math, self.math.one
        values = [Value(1, (one, one), 0) if sharp is None else Value(0, x, 0)]

        def of(which: Any) -> Value:
            if isinstance(which, float):
                return Value(0, math.exact(Fraction(which)), 0)
            return values[0 if which == "x" else which + 1]

        for index, (op, names) in enumerate(self.steps):
            power, value, error = self.step(op, [of(name) for name in names], x)
            if sharp is not None:
                value = max(value[0], sharp[index + 1][0]), min(value[1], sharp[index + 1][1])
            if op not in self.calls:  # a rounding, and a subnormal result: below 2^-1000 whatever the power
                while sharp is None and power * (math.bits + 1 - least.bit_length()) >= 1000 - math.bits:
                    value, error = math.mul(value, x), self.up(error, size(x))
                    power -= 1
                error += (size(value) + error >> bits) + 2
            need(size(value) + error < one << 900, "a step that may be too large")
            values.append(Value(power, value, error))
        return of(self.result)

    def step(self, op: str, given: list[Value], x: Interval) -> Value:
        """The exact result of a step, and the error that its operands bring."""
        math, a = self.math, given[0]
        if op in self.calls:
            reach, own = self.calls[op]
            u, off = math.mul(a.value, self.power(x, a.power)), self.up(a.error, size(self.power(x, a.power)))
            need(size(u) + off < reach, "an argument beyond the reach of the exponential")
            value = math.exp(u[0])[0], math.exp(u[1])[1]
            factor = self.up(math.one + own, math.exp(off)[1]) - math.one
            return Value(0, value, self.up(size(value), factor))
        b = given[1]
        if op == "fma":
            return self.sum(self.product(a, b), given[2], x)
        if op == "mul":
            return self.product(a, b)
        if op == "div":
            free = max(b.value[0], -b.value[1]) - b.error
            need(free > 0, "a denominator may vanish")
            exact = math.div(a.value, b.value)
            return Value(a.power - b.power, exact, (a.error + self.up(size(exact), b.error) << math.bits) // free + 1)
        return self.sum(a, b if op == "add" else b._replace(value=(-b.value[1], -b.value[0])), x)

    def product(self, a: Value, b: Value) -> Value:
        """The exact product."""
        error = self.up(size(a.value), b.error) + self.up(size(b.value), a.error) + self.up(a.error, b.error)
        return Value(a.power + b.power, self.math.mul(a.value, b.value), error)

    def sum(self, a: Value, b: Value, x: Interval) -> Value:
        """The exact sum, with the lower of both powers of x."""
        power = min(a.power, b.power)
        (p, q), (r, s) = (self.math.mul(v.value, self.power(x, v.power - power)) for v in (a, b))
        error = sum(self.up(v.error, size(self.power(x, v.power - power))) for v in (a, b))
        return Value(power, (p + r, q + s), error)

    def up(self, a: int, b: int) -> int:
        """The product of two sizes, rounded up."""
        return (a * b >> self.math.bits) + 1

    def power(self, x: Interval, power: int) -> Interval:
        """A power of the input, which must not be negative."""
        need(power >= 0, "a negative power of the input near zero")
        out = self.math.one, self.math.one
        for _ in range(power):
            out = self.math.mul(out, x)
        return out

    # -- a box -------------------------------------------------------------------------------------------------------

    def outcome(self, lower: Fraction, upper: Fraction, format: Any, inner_bits: int, allowed: Fraction) -> Outcome:
        """Whether on a box the error before the last rounding is at most so many units in the last place."""
        math, zero = self.math, 0 in (lower, upper)
        x = math.exact(lower)[0], math.exact(upper)[1]
        centre = (0, 0) if zero else ((x[0] + x[1]) // 2,) * 2
        h = max(x[1] - centre[0], centre[0] - x[0])
        u = [[start, (h, h), *[(0, 0)] * (count - 2)] for start, count in ((centre, ORDER), (x, ORDER + 1))]
        at, over = self.target(u[0]), self.target(u[1])
        f = [*at, over[ORDER]]
        code = self.jets(u[0], None)
        whole = self.jets(u[1], code)
        gaps = [(a - d, b - c) for (a, b), (c, d) in zip([*code[-1], whole[-1][ORDER]], f)]
        sharp = [ranged([*a, b[ORDER]]) for a, b in zip(code, whole)]
        least = 1 << format[1] + math.bits if zero else min(map(abs, x))
        done = self.calculated(x, least, None if zero else sharp, inner_bits)
        first = next((k for k, (a, b) in enumerate(f) if a > 0 or b < 0), 0) if zero else 0
        # Terms below the first power that the target has are divided by s, at the smallest number.
        steep = -(-(h << math.bits) // least)
        sizes = [size(c) if k >= first else grown(size(c), steep, first - k, math.bits) for k, c in enumerate(gaps)]
        others = [size(c) if k > first else grown(size(c), steep, first - k, math.bits) for k, c in enumerate(f)]
        others[first] = 0
        error = sum(sizes) + self.rounding(done, x, h, first)
        nearest = max(f[first][0], -f[first][1]) - sum(others)
        value = over[0]
        if not first:
            off = sum(others)
            value = max(value[0], f[0][0] - off), min(value[1], f[0][1] + off)
        absolute = sum(map(size, gaps)) + self.rounding(done, x, h, 0)
        return judged(value, (error, absolute), nearest, allowed, format, math.bits)

    def rounding(self, done: Value, x: Interval, h: int, first: int) -> int:
        """The rounding error over the power of s that is taken out."""
        need(done.power >= first or not first, "the code has no zero where the target has one")
        out = done.error
        for _ in range(first):
            out = self.up(out, h)
        for _ in range(done.power - first):
            out = self.up(out, size(x))
        return out


class AtZero(Judge):
    """The same beside the target's value at zero, in place of the target."""

    def __init__(self, math: Arithmetic, code: tuple[list[Any], Any], value: Interval, calls: dict[str, Any]) -> None:
        super().__init__(math, code, ("x",), calls)
        self.value = value

    def target(self, u: Jet) -> Jet:
        return [self.value, *[(0, 0)] * (len(u) - 1)]


def added(a: Jet, b: Jet) -> Jet:
    """The sum of two jets."""
    return [(p + r, q + s) for (p, q), (r, s) in zip(a, b)]


def ranged(jet: Jet) -> Interval:
    """The values of a Taylor model at s from -1 to 1."""
    off = sum(map(size, jet[1:]))
    return jet[0][0] - off, jet[0][1] + off


def grown(value: int, steep: int, power: int, bits: int) -> int:
    """A size times a power of a number, rounded up."""
    for _ in range(power):
        value = (value * steep >> bits) + 1
    return value


def judged(
    value: Interval, errors: tuple[int, int], nearest: int, allowed: Fraction, format: Any, bits: int
) -> Outcome:
    """Whether an error is small: the first relative to the value's least size, or the second as it is."""
    error, absolute = errors
    digits, _, top = format
    n, d = allowed.numerator, allowed.denominator
    unit = unit_at(max(value[0], -value[1], 0), format, bits)
    if size(value) >= 1 << top + bits and 2 * n >= d:
        n, d = 499, 1000  # where f is too large, y is infinite if what is calculated is off by less than a half
    small = absolute * d <= n * unit or (nearest > 0 and (error << digits) * d <= n * nearest)
    return Outcome(small, value[0] - absolute, value[1] + absolute)


def unit_at(size: int, format: Any, bits: int) -> int:
    """The unit in the last place at a number, scaled."""
    digits, smallest, _ = format
    return 1 << max(size.bit_length() - digits, smallest + bits)
