"""The verifier: the error of a piece of code on a box of inputs, in units in the last place.

Taylor coefficients of target and code are in powers of ``s = (x - centre) / h``, at the centre and, for the last one,
over the box: their differences bound the approximation. Rounding errors are added step by step. On a box that ends at
zero, or lies near it, the centre is 0, and what has powers of x is divided by them. Where code calculates in its own
format the last operation rounds to it: its rounding is left out here, as that of other code is. Standard library only.
"""

from fractions import Fraction
from math import frexp
from typing import Any, NamedTuple

from . import rays
from .barycentric import barycentric_form
from .intervals import Interval, size
from .jets import Arithmetic, Jet
from .reading import need
from .zeros import without_holes

__all__ = ["AtZero", "Inner", "Judge", "Outcome", "Value", "allowed_before", "unit_at"]

ORDER = 11
"""Taylor coefficients before the last one."""
FEW = 2


class Outcome(NamedTuple):
    """Whether the error on a box is as small as stated, and bounds of the outputs before they are rounded."""

    holds: bool
    low: int
    high: int


class Value(NamedTuple):
    """A step's exact value is ``x^power`` times the enclosed one, and calculated within ``abs(x)^power error``, and
    ``besides``, which comes of subnormal results."""

    power: int
    value: Interval
    error: int
    besides: int = 0


class Measured(NamedTuple):
    """The target on a box; the error over a power of s, as it is, and the least size that the first is relative to;
    what comes of subnormal results, and the least size of the target."""

    value: Interval
    error: int
    absolute: int
    nearest: int
    besides: int
    floor: int


class Inner(NamedTuple):
    """The format in which code calculates: digits, the exponent of its least number, the power of two above all; and
    whether it is that of the results, and whether subnormal numbers may be replaced by zero."""

    digits: int
    smallest: int
    top: int
    own: bool
    flush: bool = False


class Judge:
    """A piece: its steps, its result, and the target as it is there."""

    def __init__(
        self, math: Arithmetic, code: tuple[list[Any], Any], tree: tuple, calls: dict[str, Any], inner: Inner
    ) -> None:
        self.math, (self.steps, self.result), self.tree, self.calls = math, code, tree, calls
        self.inner, self.divided = inner, without_holes(tree, 1)
        self.tiny = 1 << max(inner.smallest - 1 + (inner.digits if inner.flush else 0) + math.bits, 0)
        self.flushed = self.tiny if inner.flush else 0
        last = self.result if isinstance(self.result, int) else None
        self.unrounded = last if inner.own else None
        # Sums of numbers so small that all are multiples of the least one are not rounded.
        sums = self.unrounded is not None and self.steps[self.unrounded][0] in ("add", "sub")
        self.sums = sums and not inner.flush
        form = barycentric_form(self.steps, self.result)
        known = form is not None and inner.digits == 53 and not (inner.own or inner.flush) and form.provable(self.steps)
        self.form = form if known else None
        self.sides = form.sides() if form is not None and known else None

    def target(self, u: Jet) -> Jet:
        """The target's Taylor coefficients; where zero is on the box quotients that have a limit there have it."""
        low, high = u[0]
        return self.math.evaluate(self.divided if low <= 0 <= high else self.tree, u)

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

        for index, (op, names) in enumerate(self.steps):
            if self.form is not None and self.sides is not None and index in (*self.form.inside, self.form.last):
                if index != self.form.last:
                    values.append(u)  # it has poles, and nothing else asks for it
                    continue
                z, z_centre = of(self.form.z)
                over = [self.polynomial(side, z) for side in self.sides]
                at = [None if z_centre is None else self.polynomial(side, z_centre) for side in self.sides]
                values.append(math.jet_div(*(self.narrowed(each, middle) for each, middle in zip(over, at))))
                continue
            (a, a_centre), *rest = map(of, names)
            if op in self.calls and op.startswith("log"):
                start = math.log(a[0][0])[0], math.log(a[0][1])[1]
                slope = math.jet_div([(math.one, math.one), *[(0, 0)] * (len(a) - 1)], a)
                values.append(math.integrate(start, slope, a))
                continue
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

    def polynomial(self, side: list[Fraction], z: Jet) -> Jet:
        """A polynomial of a jet."""
        nothing = [(0, 0)] * (len(z) - 1)
        out = [self.math.exact(side[-1]), *nothing]
        for c in side[-2::-1]:
            out = added(self.math.jet_mul(out, z), [self.math.exact(c), *nothing])
        return out

    def narrowed(self, over: Jet, centre: Jet | None) -> Jet:
        """Coefficients over a box: of a polynomial from those at the centre, so that its terms cancel."""
        if centre is None or over[-1] != (0, 0):
            return over
        return self.math.over([*centre, (0, 0)], len(over))

    # -- rounding ----------------------------------------------------------------------------------------------------

    def calculated(self, x: Interval, least: int, sharp: list[Interval] | None) -> Value:
        """The result with its rounding errors; with enclosures of the exact steps, or with powers of x."""
        math, one = self.math, self.math.one
        values = [Value(1, (one, one), 0) if sharp is None else Value(0, x, 0)]

        def of(which: Any) -> Value:
            if isinstance(which, float):
                return Value(0, math.exact(Fraction(which)), 0)
            return values[0 if which == "x" else which + 1]

        for index, (op, names) in enumerate(self.steps):
            if self.form is not None and index in self.form.inside:
                values.append(values[0])
                continue
            given = [of(name) for name in names]
            if self.form is not None and index == self.form.last:
                done = self.weighed(of(self.form.z), x, None if sharp is None else sharp[index + 1])
            else:
                done = self.step(op, given, x, least)
            if sharp is not None:
                known = sharp[index + 1]
                done = done._replace(value=(max(done.value[0], known[0]), min(done.value[1], known[1])))
            if index != self.unrounded:
                if op not in self.calls and not exact_difference(op, given, self.flushed << self.inner.digits):
                    done = self.rounds(op, names, done, x, None if sharp else least)
                need(self.largest(done, x) < one << self.inner.top - 1, "a step that may be too large")
            values.append(done)
        return of(self.result)

    def rounds(self, op: str, names: list[Any], done: Value, x: Interval, least: int | None) -> Value:
        """With the rounding of an operation: half a place, or in proportion to powers of x, whose least size is given.

        A product with a power of two is rounded where it is subnormal alone, and a sum is not there."""
        whole, digits, scaled = size(done.value) + done.error, self.inner.digits, least is not None
        half = (whole >> digits) + 1 if scaled else (1 << max(whole.bit_length() - 1, 0) >> digits) + 1
        if op == "mul" and any(isinstance(name, float) and abs(frexp(name)[0]) == 0.5 for name in names):
            half = 0
        normal = op in ("add", "sub") or self.is_normal(done, least)
        tiny = 0 if normal and not self.inner.flush else min(self.tiny, self.largest(done, x)) + 1
        if not scaled:
            # A rounding is half a place of a normal number, or of the least one; only flushing takes more.
            return done._replace(error=done.error + (half + tiny if self.inner.flush else max(half, tiny)))
        return done._replace(error=done.error + half, besides=done.besides + (done.besides >> digits) + 1 + tiny)

    def is_normal(self, done: Value, least: int | None) -> bool:
        """Whether a step is larger than every subnormal number, at all inputs of at least some size."""
        if done.power < 0 or (done.power and least is None):
            return False
        size = max(done.value[0], -done.value[1]) - done.error
        for _ in range(done.power):
            size = size * (least or 0) >> self.math.bits
        # With few digits the least normal number is less than the least one of these integers.
        return size - done.besides > 1 << max(self.inner.smallest + self.inner.digits - 1 + self.math.bits, 0)

    def largest(self, done: Value, x: Interval) -> int:
        """The largest size of a step."""
        if not done.power:
            return size(done.value) + done.error + done.besides
        return self.up(size(done.value) + done.error, size(self.power(x, done.power))) + done.besides

    def step(self, op: str, given: list[Value], x: Interval, least: int) -> Value:
        """The exact result of a step, and the error that its operands bring."""
        math, a = self.math, given[0]
        if op in self.calls:
            lowest, highest, own = self.calls[op]
            u = math.mul(a.value, self.power(x, a.power))
            off = self.up(a.error, size(self.power(x, a.power))) + a.besides
            need(lowest < u[0] - off and u[1] + off < highest, f"an argument beyond the reach of {op}")
            if op.startswith("log"):
                value = math.log(u[0])[0], math.log(u[1])[1]
                moved = (off << math.bits) // (u[0] - off) + 1 if off else 0
                return Value(0, value, moved + self.up(own, size(value) + moved))
            value = math.exp(u[0])[0], math.exp(u[1])[1]
            factor = self.up(math.one + own, math.exp(off)[1]) - math.one
            return Value(0, value, self.up(size(value), factor) + (self.tiny if self.inner.own else 0))
        b = given[1]
        if op == "fma":
            return self.sum(self.product(a, b, x), given[2], x)
        if op == "mul":
            return self.product(a, b, x)
        if op == "div":
            need(b.power >= 0, "a negative power of the input near zero")
            off = b.error + grown(b.besides, -(-(1 << 2 * math.bits) // least), b.power, math.bits)
            free = max(b.value[0], -b.value[1]) - off
            need(free > 0, "a denominator may vanish")
            exact = math.div(a.value, b.value)
            error = (a.error + self.up(size(exact), off) << math.bits) // free + 1
            besides = grown((a.besides << math.bits) // free + 1, -(-(1 << 2 * math.bits) // least), b.power, math.bits)
            return Value(a.power - b.power, exact, error, besides if a.besides else 0)
        return self.sum(a, b if op == "add" else b._replace(value=(-b.value[1], -b.value[0])), x)

    def weighed(self, z: Value, x: Interval, known: Interval | None) -> Value:
        """A barycentric form with the roundings of its terms and sums, but that of its quotient.

        With n terms those of the lower sum are off by n + 1 roundings at most, and those of the upper one by n + 2; the
        exact ones have ``sum(t_j (f_j - r)) = 0``. All is multiplied by the product of ``z - z_j``.
        """
        assert self.form is not None
        assert self.sides is not None
        math, terms, bits = self.math, self.form.terms, self.math.bits
        at = math.mul(z.value, self.power(x, z.power))
        top, bottom = (self.polynomial(side, [at])[0] for side in self.sides)
        need(bottom[0] > 0 or bottom[1] < 0, "a denominator may vanish")
        value = math.div(top, bottom)
        if known is not None:
            value = max(value[0], known[0]), min(value[1], known[1])
        below, above = (-(-(k << bits) // (2**self.inner.digits - k)) for k in (len(terms) + 1, len(terms) + 2))
        lost = moved = 0
        for number, term in enumerate(terms):
            share = size(math.exact(term.weight))
            for other in (*terms[:number], *terms[number + 1 :]):
                node = math.exact(other.node)
                share = self.up(share, size((at[0] - node[1], at[1] - node[0])))
            off = self.up(size(math.exact(term.value)), above) + self.up(size(value), below)
            lost, moved = lost + self.up(share, off), moved + self.up(share, below)
        free = max(bottom[0], -bottom[1]) - moved
        need(free > 0, "a denominator may vanish")
        return Value(0, value, (lost << bits) // free + 1)

    def product(self, a: Value, b: Value, x: Interval) -> Value:
        """The exact product."""
        error = self.up(size(a.value), b.error) + self.up(size(b.value), a.error) + self.up(a.error, b.error)
        besides = self.up(a.besides, self.largest(b, x)) + self.up(b.besides, self.largest(a, x))
        return Value(a.power + b.power, self.math.mul(a.value, b.value), error, besides)

    def sum(self, a: Value, b: Value, x: Interval) -> Value:
        """The exact sum, with the lower of both powers of x."""
        power = min(a.power, b.power)
        (p, q), (r, s) = (self.math.mul(v.value, self.power(x, v.power - power)) for v in (a, b))
        error = sum(self.up(v.error, size(self.power(x, v.power - power))) if v.error else 0 for v in (a, b))
        return Value(power, (p + r, q + s), error, a.besides + b.besides)

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

    def outcome(self, box: tuple[Fraction, Fraction, bool], format: Any, ulp: Fraction, last: Fraction) -> Outcome:
        """Whether on a box, perhaps one near zero, the error is at most so many units in the last place, with the last
        rounding."""
        lower, upper, near = box
        math, zero = self.math, near or 0 in (lower, upper)
        x = math.exact(lower)[0], math.exact(upper)[1]
        if isinstance(self.result, float) and abs(self.result) >= 2 ** format[2]:
            return self.too_large(self.result, x, 1 << format[2] + math.bits)
        if not self.steps and isinstance(self.result, float) and 0 not in x:
            (low, high), c = self.target([x])[0], math.exact(Fraction(self.result))
            off = max(high - c[0], c[1] - low)
            found = judged((low, high), (off, off), max(low, -high, 0), allowed_before(ulp, last), format, math.bits)
            if found.holds:
                return found._replace(low=c[0], high=c[1])
        # Far out the terms of a high order say less: what is below the last digit is multiplied by powers of h.
        for order in (ORDER, FEW):
            found = self.expanded((x, zero, 0 in (lower, upper)), format, ulp, last, order)
            if found.holds or zero:
                break
        return found

    def expanded(
        self, box: tuple[Interval, bool, bool], format: Any, ulp: Fraction, last: Fraction, order: int
    ) -> Outcome:
        """The same by so many Taylor coefficients, at the centre of the box, or at zero, which may be its end."""
        math, done = self.math, self.measured(box, order, format[1])
        value, errors = done.value, (done.error, done.absolute)
        besides = done.besides, unit_at(max(done.floor, 0), format, math.bits)
        small = size(value) + done.absolute
        normal = 1 << format[0] + format[1] - 1 + math.bits
        if self.sums and small < 4 * normal:
            # From 2 normal on the units are twice as large.
            found = judged(value, errors, done.nearest, min(ulp, Fraction(1)), format, math.bits, besides)
            unit = 2 << format[1] + math.bits
            fine = small < 2 * normal or 2 * done.absolute + unit <= 2 * ulp * unit
            return found._replace(holds=found.holds and fine)
        return judged(value, errors, done.nearest, allowed_before(ulp, last), format, math.bits, besides)

    def measured(self, box: tuple[Interval, bool, bool], order: int, smallest: int) -> Measured:
        """How far the code is from the target on a box; the exponent is that of the least number of the results."""
        (x, zero, whole_way), math = box, self.math
        centre = (0, 0) if zero else ((x[0] + x[1]) // 2,) * 2
        h = max(x[1] - centre[0], centre[0] - x[0])
        hull = (min(x[0], 0), max(x[1], 0)) if zero else x
        u = [[start, (h, h), *[(0, 0)] * (count - 2)] for start, count in ((centre, order), (hull, order + 1))]
        over = self.target(u[1])
        need(not self.hopeless(over[0], over[order]), "a box that is too wide")
        at = self.target(u[0])
        f = [*at, over[order]]
        code = self.jets(u[0], None)
        whole = self.jets(u[1], code)
        gaps = [(a - d, b - c) for (a, b), (c, d) in zip([*code[-1], whole[-1][order]], f)]
        sharp = [ranged([*a, b[order]]) for a, b in zip(code, whole)]
        least = 1 << smallest + math.bits if whole_way else min(map(abs, x))
        done = self.calculated(x, least, None if zero else sharp)
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
        absolute = sum(map(size, gaps)) + self.rounding(done, x, h, 0) + done.besides
        floor = nearest
        for _ in range(first):
            floor = floor * least // h
        return Measured(value, error, absolute, nearest, done.besides, floor)

    def too_large(self, y: float, x: Interval, top: int) -> Outcome:
        """An infinite output: the target is beyond all numbers of the format on the box, and has its sign."""
        low, high = rays.on(self.math, self.tree, x)
        at = int(y) << self.math.bits
        return Outcome(low >= top if y > 0 else high <= -top, at, at)

    def hopeless(self, value: Interval, rest: Interval) -> bool:
        """Whether the last coefficient of the target alone says that a box is too wide: others may still say enough."""
        return False

    def rounding(self, done: Value, x: Interval, h: int, first: int) -> int:
        """The rounding error over the power of s that is taken out."""
        need(done.power >= first or not first, "the code has no zero where the target has one")
        out = done.error
        for _ in range(first):
            out = self.up(out, h)
        for _ in range(done.power - first):
            out = self.up(out, size(x))
        return out


def allowed_before(ulp: Fraction, last: Fraction) -> Fraction:
    """What the error before the last rounding may be: that adds half a unit, or a whole one where the number that it
    rounds may lie beyond a power of two by more than a unit."""
    return ulp - last if ulp - last <= 1 or not last else max(ulp - 2 * last, Fraction(1))


def exact_difference(op: str, given: list[Value], least: int) -> bool:
    """Whether exact numbers are subtracted of which one is at most twice the other (Sterbenz); both are at least so
    large that a last place of them is no subnormal number, which might be flushed."""
    if op != "sub" or any(v.power or v.error or v.besides for v in given):
        return False
    (a, b), (c, d) = (v.value for v in given)
    if b < 0 and d < 0:
        a, b, c, d = -b, -a, -d, -c
    return a > least and c > least and b <= 2 * c and d <= 2 * a


class AtZero(Judge):
    """The same beside the target's value at zero, in place of the target."""

    def __init__(
        self, math: Arithmetic, code: tuple[list[Any], Any], value: Interval, calls: dict[str, Any], inner: Inner
    ) -> None:
        super().__init__(math, code, ("x",), calls, inner)
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
    value: Interval,
    errors: tuple[int, int],
    nearest: int,
    allowed: Fraction,
    format: Any,
    bits: int,
    besides: tuple[int, int] = (0, 1),
) -> Outcome:
    """Whether an error is small: the first relative to the value's least size, with another one in a unit besides, or
    the second as it is."""
    error, absolute = errors
    digits, _, top = format
    n, d = allowed.numerator, allowed.denominator
    unit = unit_at(max(value[0], -value[1], 0), format, bits)
    if size(value) >= 1 << top + bits and 2 * n >= d:
        # Where f is too large, y is infinite if what is calculated is off by less than half of the last place.
        n, d, unit = 499, 1000, min(unit, 1 << top - digits + bits)
    more, place = besides
    share = (error << digits) * place + more * nearest
    small = absolute * d <= n * unit or (nearest > 0 and share * d <= n * nearest * place)
    low, high = value[0] - absolute, value[1] + absolute
    if 4 * error < nearest and not more:  # such a bound keeps the sign
        low = max(low, value[0] // 2) if value[0] > 0 else low
        high = min(high, -(-value[1] // 2)) if value[1] < 0 else high
    return Outcome(small, low, high)


def unit_at(size: int, format: Any, bits: int) -> int:
    """The unit in the last place at a number, scaled."""
    digits, smallest, _ = format
    return 1 << max(size.bit_length() - digits, smallest + bits)
