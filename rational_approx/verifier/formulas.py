"""The verifier: code that is the target's own formula, followed node by node.

Each node must be the operation that `docs/approximation/semantics-of-code.md` says. With it go bounds of the exact
value, and of how far the calculated one is from it: absolute, and relative to it. Where code calculates in its own
format the rounding of the last operation is left out. Standard library only.
"""

from contextlib import suppress
from fractions import Fraction
from functools import cache
from math import inf
from typing import Any, NamedTuple

from . import rays
from .arctangents import arctangent_error
from .boxes import Outcome, allowed_before, judged
from .differences import expm1_error, log1p_error
from .functions import Functions
from .intervals import Interval, size
from .jets import Arithmetic
from .logarithms import logarithm_error
from .quotients import QUOTIENTS, quotient_domain, quotient_errors
from .reading import ONE, Failure, fold, need
from .reductions import REACH, exponential_error
from .sines import TURN_BITS, nearest_zero, sine_error
from .steps import FORMATS, rounded
from .sums import FROM, SUMS, domain, sum_errors
from .zeros import exact

__all__ = ["Follower", "Other", "has_x"]

TWO, MINUS = ("number", Fraction(2)), ("number", Fraction(-1))
WHOLE_POWERS = 6
ERRORS: dict[str, Any] = {
    "exp": exponential_error,
    "log": logarithm_error,
    "expm1": expm1_error,
    "log1p": log1p_error,
    "atan": arctangent_error,
}
WAVES = ("sin", "cos")


class Other(Failure):
    """Code that is not this formula."""


class Known(NamedTuple):
    """An exact value and its errors, times ``2**bits``.

    Where the exact value is not 0 its size is ``least`` at least; None says that nothing is known. ``zero`` says that
    it may be 0. ``before`` has both errors without the last rounding.
    """

    low: int
    high: int
    absolute: int
    relative: int | None
    least: Fraction | None
    zero: bool
    before: tuple[int, int | None] = (0, 0)


def same(condition: Any) -> None:
    """Raise unless the code is as the formula says."""
    if not condition:
        raise Other("the code is not the formula of the target")


def has_x(node: tuple) -> bool:
    """Whether a tree depends on x."""
    return node[0] == "x" or any(has_x(part) for part in node[1:] if isinstance(part, tuple))


def rewritten(node: tuple, negative: bool) -> list[tuple]:
    """The ways to write a function that has no operation of its own with others that have."""
    kind, u = node[0], node[1]
    e, square, below, above = ("exp", u), ("^", u, TWO), ("+", ONE, ("neg", u)), ("+", ONE, u)
    over, root = ("+", u, MINUS), ("sqrt", ("+", ("^", u, TWO), ONE))
    if kind == "asinh" and negative:
        return [("neg", ("asinh", ("neg", u)))]
    if kind == "acos" and negative:
        return [("+", ("pi",), ("neg", ("*", TWO, ("atan", ("sqrt", ("/", above, below))))))]
    if kind == "log":
        return logarithms(u, negative)
    one, two = ("expm1", u), ("expm1", ("*", TWO, u))
    table: dict[str, list[tuple]] = {
        "log1p": [("log", ("+", ONE, u))],
        "expm1": [("+", e, MINUS)],
        "tan": [("/", ("sin", u), ("cos", u))],
        "sinh": [
            ("/", ("+", e, ("neg", ("/", ONE, e))), TWO),
            ("/", ("+", one, ("/", one, ("+", one, ONE))), TWO),
        ],
        "cosh": [("/", ("+", e, ("/", ONE, e)), TWO)],
        "asinh": [("log", ("+", u, root)), ("log1p", ("+", u, ("/", square, ("+", root, ONE))))],
        "acosh": [
            ("log", ("+", u, ("sqrt", ("+", square, MINUS)))),
            ("log1p", ("+", over, ("sqrt", ("*", over, above_of(u))))),
        ],
        "atanh": [("/", ("log", ("/", above, below)), TWO), ("/", ("log1p", ("/", ("*", TWO, u), below)), TWO)],
        "tanh": [("/", two, ("+", two, TWO))],
        "sigmoid": [("/", ONE, ("+", ONE, ("exp", ("neg", u))))],
        "softplus": [("log1p", e), large(u, ONE)],
        "asin": [("*", TWO, ("atan", ("/", u, ("+", ("sqrt", ("*", below, above)), ONE))))],
        "acos": [("*", TWO, ("atan", ("sqrt", ("/", below, above))))],
    }
    return table.get(kind, [])


def without_holes(node: tuple, side: int) -> tuple:
    """A tree with both sides of a quotient over x where both vanish at 0."""
    if node[0] == "/" and exact(node[1], Fraction(0)) == 0 and exact(node[2], Fraction(0)) == 0:
        top, bottom = (("divided", part, Fraction(0), side) for part in node[1:])
        return ("/", top, bottom)
    if node[0] in ("number", "x", "pi", "e", "clipped", "divided"):
        return node
    return (node[0], *(without_holes(part, side) for part in node[1:]))


def logarithms(inner: tuple, negative: bool) -> list[tuple]:
    """The logarithm of a sum with an exponential that may be too large, without it."""
    if inner[0] == "cosh":
        v = ("neg", inner[1]) if negative else inner[1]
        small = ("log1p", ("exp", ("*", ("number", Fraction(-2)), v)))
        half = ("sinh", ("/", inner[1], TWO))
        return [("+", ("+", v, small), ("neg", ("log", TWO))), ("log1p", ("*", TWO, ("^", half, TWO)))]
    if inner[0] != "+":
        return []
    return [large(a[1], b) for a, b in (inner[1:], inner[:0:-1]) if a[0] == "exp"][:1]


def large(u: tuple, rest: tuple) -> tuple:
    """``log(rest + exp(u))``."""
    return ("+", u, ("log1p", ("*", rest, ("exp", ("neg", u)))))


def above_of(u: tuple) -> tuple:
    """``u + 1``, in this order."""
    return ("+", u, ONE)


class Follower:
    """A piece that is a formula: its steps, its result, the functions that it calls, and the side of zero."""

    def __init__(
        self,
        math: Arithmetic,
        code: Any,
        tree: tuple,
        functions: dict[str, Any],
        formats: tuple[str, str],
        side: int,
        flush: bool = False,
    ) -> None:
        self.math, (self.steps, self.result), self.tree = math, code, tree
        self.functions, (self.format, self.inner), self.side, self.flush = functions, formats, side, flush
        self.own = self.format == self.inner
        self.kinds = (*((*SUMS, *QUOTIENTS) if self.own else ERRORS), *WAVES)
        self.digits, self.smallest, self.top = FORMATS[self.inner]
        self.share = -(-math.one >> self.digits)
        # What is lost where a result is subnormal, or besides replaced by zero.
        self.tiny = max(1, math.one >> (1 - self.digits if flush else 1) - self.smallest)
        self.x: Interval = (side * math.one, side * math.one)
        self.divided = without_holes(tree, side)
        self.known: dict[Any, Known] = {}
        self.errors: dict[Any, tuple[Fraction, ...]] = {}

    def is_formula(self) -> bool:
        """Whether the steps are those of the tree: what is not known on a box is another question."""
        self.known = {}
        try:
            self.value(self.tree, self.result)
        except Other:
            return False
        except Failure:
            return True
        return True

    def outcome(self, ends: tuple[Fraction, Fraction, bool], format: Any, ulp: Fraction, last: Fraction) -> Outcome:
        """Whether on a box the error is at most so many units in the last place, with the last rounding."""
        math, allowed, (lower, upper, _) = self.math, allowed_before(ulp, last), ends
        least = Fraction(2) ** format[1] * self.side
        a, b = lower or least, upper or least
        self.x, self.known = (math.exact(a)[0], math.exact(b)[1]), {}
        done = self.value(self.tree, self.result)
        low, high = self.known_range()
        done = done._replace(low=max(done.low, low), high=min(done.high, high))
        if self.own:
            done = done._replace(absolute=done.before[0], relative=done.before[1])
        box, nearest = (done.low, done.high), max(done.low, -done.high, 0)
        if done.relative is None:
            return judged(box, (done.absolute, done.absolute), nearest, allowed, format, math.bits)
        # As if the value were 1: the first of the two errors is relative to the least size of the value.
        if (done.relative << format[0]) * allowed.denominator <= allowed.numerator * math.one:
            need(size(box) < 1 << format[2] + math.bits or 2 * (done.relative << format[0]) < math.one, "too large")
            ends_of = done.low - done.absolute, done.high + done.absolute
            if 8 * done.relative < math.one:  # such a bound keeps the sign
                low = max(ends_of[0], done.low // 2) if done.low > 0 else ends_of[0]
                return Outcome(True, low, min(ends_of[1], -(-done.high // 2)) if done.high < 0 else ends_of[1])
            return Outcome(True, *ends_of)
        return judged(box, (done.absolute, done.absolute), nearest, allowed, format, math.bits)

    def known_range(self) -> tuple[Any, Any]:
        """Bounds of the target on the box, by a Taylor polynomial of first degree where there is one."""
        math, (a, b) = self.math, self.x
        centre, h = (a + b) // 2, (b - a) // 2 + 1
        tree, box = self.tree, self.x
        if self.divided != tree and size(box) < math.one:  # with zero in the box quotients are those of derivatives
            tree, box = self.divided, (min(a, 0), max(b, 0))
        with suppress(Failure):
            at = math.evaluate(tree, [(centre, centre), (h, h)])
            beyond = math.evaluate(tree, [box, (h, h), (0, 0)])[2]
            return at[0][0] - size(at[1]) - size(beyond), at[0][1] + size(at[1]) + size(beyond)
        return -inf, inf

    # -- nodes -------------------------------------------------------------------------------------------------------

    def value(self, node: tuple, which: Any) -> Known:
        """The value of a node, which an operand is to be."""
        key = (node, type(which), which)  # a constant is not the step of its number
        if key not in self.known:
            self.known[key] = self.fresh(node, which)
        return self.known[key]

    def fresh(self, node: tuple, which: Any) -> Known:
        kind = node[0]
        if not has_x(node):
            return self.constant(node, which)
        if kind == "clipped":
            return self.value(node[1], which)
        if kind == "x":
            same(which == "x")
            return Known(*self.x, 0, 0, self.size(min(map(abs, self.x))), False)
        if isinstance(which, float):
            return self.still(node, which)
        same(isinstance(which, int))
        op, names = self.steps[which]
        if kind == "+":
            other = node[2]
            taken = other[1] if other[0] == "neg" and has_x(other) else other
            if op == "fma":
                same(taken is other)
                return self.fused(node[1], other, names)
            same(op == ("add" if taken is other else "sub"))
            a, b = self.value(node[1], names[0]), self.value(taken, names[1])
            return self.sum(a, b if taken is other else b._replace(low=-b.high, high=-b.low))
        if kind == "*" and self.own and op in self.functions and op.split("_")[0] == "silu":
            x = ("x",)
            same(node[1:] in ((x, ("sigmoid", x)), (("sigmoid", x), x)))
            return self.called(("silu", x), op, names[0])
        if kind in ("*", "/"):
            same(op == ("mul" if kind == "*" else "div"))
            a, b = self.value(node[1], names[0]), self.value(node[2], names[1])
            return self.product(a, b) if kind == "*" else self.quotient(a, b)
        if kind == "neg":
            same(op == "mul" and names[1] == -1.0)
            u = self.value(node[1], names[0])
            u = u._replace(low=-u.high, high=-u.low)  # exact
            return self.replaced(u) if self.flush else u
        if kind == "sqrt":
            same(op == "sqrt")
            return self.root(self.value(node[1], names[0]))
        if kind in self.kinds and op in self.functions and op.split("_")[0] == kind:
            return self.called(node, op, names[0])
        if kind == "^":
            return self.power(node[1], node[2], which)
        trouble: Failure = Other("a function without operations of its own")
        negative = kind in ("asinh", "acos", "log") and self.negative(node[1][1] if node[1][0] == "cosh" else node[1])
        for other in rewritten(node, negative):
            try:
                return self.value(other, which)
            except Failure as problem:  # one that is not known on this box says more than one that is another code
                trouble = trouble if isinstance(problem, Other) else problem
        raise trouble

    def still(self, node: tuple, which: float) -> Known:
        """A constant in the place of a node: as far off as the node is from it beyond the inner end of the box."""
        need(not self.own, "a constant in the place of a node, which is not proved in its own format")
        math, start = self.math, min(map(abs, self.x))
        tree = node if self.side > 0 else rays.substituted(node, ("neg", ("x",)))
        low, high = rays.bounds(math, tree, (start, start))
        need(max(-low, high) < inf, "a part without bounds far out")
        at = math.exact(Fraction(which))
        off, smallest = max(high - at[0], at[1] - low, 0), max(low, -high)
        if smallest <= 0:
            return Known(low, high, off, None, None, True)
        return Known(low, high, off, self.over(off, smallest), self.size(smallest), False)

    def fused(self, left: tuple, right: tuple, names: list[Any]) -> Known:
        """A sum that takes the product on its right, or on its left, in itself; it is counted as if it were rounded."""
        try:
            return self.sum(self.value(left, names[2]), self.multiplied(right, names))
        except Other:
            return self.sum(self.multiplied(left, names), self.value(right, names[2]))

    def multiplied(self, node: tuple, names: list[Any]) -> Known:
        """A node that is one product of two operands."""
        if node[0] == "*":
            return self.product(self.value(node[1], names[0]), self.value(node[2], names[1]))
        if node[0] == "neg":
            return self.product(self.value(node[1], names[0]), self.constant(MINUS, names[1]))
        same(node[0] == "^" and node[2][0] == "number" and node[2][1].denominator == 1)
        same(1 < node[2][1] <= WHOLE_POWERS)
        return self.product(self.whole(node[1], int(node[2][1]) - 1, names[0]), self.value(node[1], names[1]))

    def power(self, base: tuple, exponent: tuple, which: int) -> Known:
        """Whole powers up to a size and their roots; others are the exponential of a logarithm."""
        c = exponent[1] if exponent[0] == "number" else Fraction(1, 3)
        if c.denominator > 2 or not 0 < abs(c.numerator) <= WHOLE_POWERS:
            return self.value(("exp", ("*", exponent, ("log", base))), which)
        same(isinstance(which, int) or c == 1)
        if c < 0:
            op, names = self.steps[which]
            same(op == "div")
            return self.quotient(self.constant(ONE, names[0]), self.power(base, ("number", -c), names[1]))
        if c.denominator == 2:
            op, names = self.steps[which]
            same(op == "sqrt")
            return self.root(self.whole(base, c.numerator, names[0]))
        return self.whole(base, c.numerator, which)

    def whole(self, base: tuple, n: int, which: Any) -> Known:
        """A product of equal factors."""
        if n == 1:
            return self.value(base, which)
        same(isinstance(which, int))
        op, names = self.steps[which]
        same(op == "mul")
        done = self.product(self.whole(base, n - 1, names[0]), self.value(base, names[1]))
        return done if n % 2 else done._replace(low=max(done.low, 0))

    def negative(self, node: tuple) -> bool:
        """Whether an argument is negative far out on this side, or at a half where it has no value there."""
        for x in (Fraction(self.side << 20), Fraction(self.side, 2)):
            with suppress(Failure):
                return bool(self.math.evaluate(node, [self.math.exact(x)])[0][1] < 0)
        return False

    def constant(self, node: tuple, which: Any) -> Known:
        """A constant: the number of the format that is next to it."""
        same(isinstance(which, float))
        low, high = self.math.evaluate(node, [(0, 0)])[0]
        if node[0] == "number":
            same(Fraction(which) == rounded(node[1], self.inner))
        at = self.math.exact(Fraction(which))
        off = max(high - at[0], at[1] - low, 0)
        zero = low <= 0 <= high
        need(not zero or node[0] == "number", "a constant that may be 0")
        if zero and node[1] == 0:
            return Known(0, 0, 0, 0, None, True)
        need(not zero, "a constant that is too small")
        smallest = max(low, -high)
        relative = -((-off << self.math.bits) // smallest)
        if node[0] == "number" and Fraction(which) == node[1]:
            off = relative = 0
        return Known(low, high, off, relative, self.size(smallest), False)

    # -- operations --------------------------------------------------------------------------------------------------

    def up(self, a: int, b: int) -> int:
        """The product of two sizes, rounded up."""
        return (a * b >> self.math.bits) + 1

    def over(self, a: int, b: int) -> int:
        """The quotient of two sizes, rounded up."""
        return (a << self.math.bits) // b + 1

    def done(self, exact: Known, share: int) -> Known:
        """With one more share of the result; each of the two errors bounds the other."""
        low, high, absolute, relative, least, zero, _ = exact
        largest = size((low, high))
        if relative is not None:
            relative += self.up(share, self.math.one + relative)
            absolute = min(absolute, self.up(relative, largest))
        if low > 0 or high < 0:
            own = self.over(absolute, max(low, -high))
            relative = own if relative is None else min(relative, own)
            found = self.size(max(low, -high))
            least, zero = found if least is None else max(least, found), False
        if not largest + absolute < self.math.one << self.top - 2:  # then it is good for nothing but the result
            need(self.own, "a step that may be too large")
            return Known(low, high, self.math.one << 4 * self.top, None, least, zero)
        return Known(low, high, absolute, relative, least, zero)

    def rounds(self, exact: Known) -> Known:
        """With the rounding of an operation, and what is lost where a subnormal result is flushed."""
        before = exact.absolute, exact.relative
        exact = self.replaced(exact) if self.flush else exact
        absolute = exact.absolute + self.up(self.share, size((exact.low, exact.high)) + exact.absolute)
        return self.done(exact._replace(absolute=absolute), self.share)._replace(before=before)

    def replaced(self, exact: Known) -> Known:
        """With what is lost where a result that may be subnormal is replaced by zero."""
        normal = Fraction(2) ** (self.smallest + self.digits)
        half_known = exact.relative is not None and 2 * exact.relative < self.math.one
        if half_known and exact.least is not None and exact.least > 2 * normal:
            return exact
        nearest = max(exact.low, -exact.high, 0) - exact.absolute
        if Fraction(nearest, self.math.one) > normal:
            return exact
        return exact._replace(absolute=exact.absolute + self.tiny, relative=None)

    def normal(self, exact: Known) -> Known:
        """A product or a quotient, which keeps its relative error where it cannot be subnormal."""
        smallest = Fraction(2) ** (self.smallest + self.digits + 2)
        known = exact.relative is not None and 2 * exact.relative < self.math.one
        if known and exact.least is not None and exact.least > smallest:
            return self.rounds(exact)
        before = exact.absolute, exact.relative
        return self.rounds(exact._replace(absolute=exact.absolute + self.tiny, relative=None))._replace(before=before)

    def sum(self, a: Known, b: Known) -> Known:
        relative = None
        if a.absolute == b.absolute == 0:
            relative = 0
        elif a.relative is not None and b.relative is not None and (min(a.low, b.low) >= 0 or max(a.high, b.high) <= 0):
            relative = max(a.relative, b.relative)
        if not self.flush and a.absolute == b.absolute == 0 and cancels((a.low, a.high), (b.low, b.high)):
            # Both are multiples of a last place of the smaller one, and so is the difference.
            nearest = min(max(a.low, -a.high), max(b.low, -b.high))
            return self.done(Known(a.low + b.low, a.high + b.high, 0, 0, self.size(nearest >> self.digits), True), 0)
        return self.rounds(Known(a.low + b.low, a.high + b.high, a.absolute + b.absolute, relative, None, True))

    def product(self, a: Known, b: Known) -> Known:
        low, high = self.math.mul((a.low, a.high), (b.low, b.high))
        sizes = size((a.low, a.high)), size((b.low, b.high))
        absolute = self.up(sizes[0] + a.absolute, b.absolute) + self.up(sizes[1], a.absolute)
        relative = None
        if a.relative is not None and b.relative is not None:
            relative = a.relative + b.relative + self.up(a.relative, b.relative)
        least = None if a.least is None or b.least is None else short(a.least * b.least)
        return self.normal(Known(low, high, absolute, relative, least, a.zero or b.zero))

    def quotient(self, a: Known, b: Known) -> Known:
        if b.zero or b.least is None or b.relative is None:
            raise Failure("a denominator may vanish")
        off = b.relative
        need(2 * off < self.math.one, "a denominator that is not known well enough")
        if b.low > 0 or b.high < 0:
            inverse = self.math.div((self.math.one, self.math.one), (b.low, b.high))
        else:
            far = int(self.math.one / b.least) + 1
            need(far < self.math.one << 20_000, "a quotient that is too large")
            inverse = -far, far
        low, high = self.math.mul((a.low, a.high), inverse)
        growth = self.over(size(inverse), self.math.one - off)
        absolute = self.up(a.absolute + self.up(size((a.low, a.high)), off), growth)
        relative = None
        if a.relative is not None:
            relative = self.over(self.math.one + a.relative, self.math.one - off) - self.math.one
        least = None if a.least is None else short(a.least * self.math.one / max(size((b.low, b.high)), 1))
        return self.normal(Known(low, high, absolute, relative, least, a.zero))

    def root(self, a: Known) -> Known:
        need(a.low >= 0 and a.relative is not None and a.relative < self.math.one, "a root of what may be negative")
        low, high = self.math.sqrt(a.low)[0], self.math.sqrt(a.high)[1]
        r = a.relative or 0
        need(2 * r < self.math.one, "a root of what is not known well enough")
        relative = (r + self.up(r, r) >> 1) + 1  # more than 1 - sqrt(1 - r)
        least = None if a.least is None else Fraction(2) ** ((floor_log2(a.least) - 1) // 2)
        return self.rounds(Known(low, high, self.up(relative, high), relative, least, a.zero))

    # -- functions ---------------------------------------------------------------------------------------------------

    def called(self, node: tuple, name: str, which: Any) -> Known:
        """A function: its own error, and what it makes of its argument's."""
        if node[0] in ("sin", "cos"):
            same(which == "x")
            return self.wave(node, name)
        u, math = self.value(node[1], which), self.math
        if self.own:
            return self.summed(node[0], name, u)
        if name not in self.errors:
            code, result = self.functions[name]
            self.errors[name] = ERRORS[node[0]](code, result, self.inner), Fraction(0)
        share = math.exact(self.errors[name][0])[1]
        if node[0] == "exp":
            need(size((u.low, u.high)) + u.absolute < REACH[self.inner] << math.bits, "an argument beyond the reach")
            low, high = math.exp(u.low)[0], math.exp(u.high)[1]
            off = math.exp(u.absolute)[1] - math.one
            absolute = self.up(high, off + share + self.up(off, share))
            return self.done(Known(low, high, absolute, off, None, False), share)
        if node[0] != "log":
            return self.careful(node[0], u, share)
        need(u.relative is not None and 2 * u.relative < math.one and u.low > 0, "a logarithm that is not known")
        need(self.size(u.low) > Fraction(2) ** (self.smallest + self.digits), "a logarithm of a subnormal number")
        low, high = math.log(u.low)[0], math.log(u.high)[1]
        relative = u.relative or 0
        off = self.over(relative, math.one - relative) if relative else 0
        absolute = off + self.up(share, size((low, high)) + off)
        # Of an exact number the error is relative, also where it is 1: others are a last place away.
        if off:
            return self.done(Known(low, high, absolute, None, None, True), share)
        return self.done(Known(low, high, absolute, 0, Fraction(1, 2 << self.digits), True), share)

    def summed(self, kind: str, name: str, u: Known) -> Known:
        """A function whose last operation adds a small number: its argument is in its domain."""
        math = self.math
        if kind in QUOTIENTS:
            return self.divided_by(kind, name, u)
        if name not in self.errors:
            steps, result = self.functions[name]
            self.errors[name] = sum_errors(kind, steps, result, self.inner, self.flush)
        low, high = (math.exact(end)[1 - k] for k, end in enumerate(domain(kind, self.inner)))
        need(low < u.low - u.absolute and u.high + u.absolute < high, "an argument beyond what is proved")
        if kind in FROM:
            need(max(u.low, -u.high) - u.absolute >= math.exact(FROM[kind])[1], "an argument too near to zero")
        ends, off = (u.low, u.high), u.absolute
        if kind == "log":
            need(u.relative is not None and 2 * u.relative < math.one, "a logarithm that is not known")
            need(self.size(u.low) >= Fraction(2) ** (self.smallest + self.digits - 1), "a subnormal argument")
            off = self.over(u.relative, math.one - u.relative) if u.relative else 0
        elif kind == "log1p":
            ends = math.one + u.low, math.one + u.high
            off = self.over(off, ends[0] - off) if off else 0
        return self.corrected(kind, name, ends, off)

    def corrected(self, kind: str, name: str, ends: Interval, off: int) -> Known:
        """Its result, for the argument of a logarithm, or of an exponential, that is off by so much."""
        math = self.math
        units, before, after = self.errors[name]
        in_units = math.exact(units / 2**self.digits)[1]
        shares = [math.exact(share)[1] for share in (before, after)]
        if kind in ("log", "log1p"):
            low, high = math.log(ends[0])[0], math.log(ends[1])[1]
            absolute = [off + self.up(share, size((low, high)) + off) for share in shares]
            least = None if off else Fraction(1, 2 << self.digits)
            known = self.done(Known(low, high, absolute[1], None if off else 0, least, True), shares[1])
            return known._replace(before=(absolute[0], None if off else in_units))
        low, high = math.exp(ends[0])[0], math.exp(ends[1])[1]
        off = (math.exp(off)[1] - math.one) * (1 if kind == "exp" else 3)  # exp(u) is below 3 abs(expm1(u)) here
        if kind == "expm1":
            low, high = low - math.one, high - math.one
        return self.scaled((low, high), off, name, kind == "expm1")

    def divided_by(self, kind: str, name: str, u: Known) -> Known:
        """A function of an exact argument that is a quotient or its like."""
        need(not self.flush, "a function that is not proved for machines that flush")
        math = self.math
        if name not in self.errors:
            steps, result = self.functions[name]
            self.errors[name] = quotient_errors(kind, steps, result, self.inner)
        low, high = (math.exact(end)[1 - k] for k, end in enumerate(quotient_domain(kind, self.inner)))
        need(u.absolute == 0 and low < u.low and u.high < high, "an argument beyond what is proved")
        # Both rise.
        ends = math.exp(u.low)[0], math.exp(u.high)[1]
        if kind == "softplus":
            value = math.log(math.one + ends[0])[0], math.log(math.one + ends[1])[1]
        else:
            value = (ends[0] << math.bits) // (math.one + ends[0]), (ends[1] << math.bits) // (math.one + ends[1]) + 1
        if kind == "silu":
            value = math.mul((u.low, u.high), value)
        return self.scaled(value, 0, name, False)

    def scaled(self, value: Interval, off: int, name: str, normal: bool) -> Known:
        """A result that is scaled by a power of two at the end, with a share ``off`` that comes of the argument."""
        math, (low, high) = self.math, value
        units, before, after = self.errors[name]
        in_units = math.exact(units / 2**self.digits)[1]
        shares = [math.exact(share)[1] for share in (before, after)]
        absolute = [self.up(size((low, high)), off + share + self.up(off, share)) for share in shares]
        if normal or max(low, -high) > math.exact(Fraction(2) ** (self.smallest + self.digits))[1]:
            known = self.done(Known(low, high, absolute[1], off, None, False), shares[1])
        else:
            # Scaled to a subnormal number it is rounded once more, in units twice as large at least.
            known = self.done(Known(low, high, absolute[1] + self.tiny, None, None, False), self.share)
            absolute[0] = absolute[1]
            in_units = math.exact(max(units, (units + Fraction(1, 2)) / 2) / 2**self.digits)[1]
        return known._replace(before=(absolute[0], off + in_units + self.up(off, in_units)))

    def careful(self, kind: str, u: Known, share: int) -> Known:
        """``expm1``, ``log1p`` or ``atan``, which vanish with their argument and keep its relative error."""
        need(not self.own, "a function that is not proved in its own format")
        math, one = self.math, self.math.one
        node = (kind, ("x",))
        ends = (math.evaluate(node, [(end, end)])[0] for end in (u.low, u.high))
        (low, _), (_, high) = ends
        steep, growth = getattr(self, "slope_" + kind)(u)
        absolute = self.up(u.absolute, steep)
        relative = None if u.relative is None else self.up(u.relative, growth)
        smallest = Fraction(2) ** (self.smallest + self.digits + 4)
        if u.relative is None or 2 * u.relative > one or u.least is None or u.least / 2 < smallest:
            absolute, relative = absolute + 1, None  # something may be subnormal
        if relative is not None:
            absolute = min(absolute, self.up(relative, size((low, high))))
        absolute += self.up(share, size((low, high)) + absolute)
        least = None if u.least is None else short(min(u.least, Fraction(1)) / 2)
        return self.done(Known(low, high, absolute, relative, least, u.zero), share)

    def slope_expm1(self, u: Known) -> tuple[int, int]:
        """The slope between u and what is calculated, and that over ``expm1(u) / u``."""
        math = self.math
        need(size((u.low, u.high)) + u.absolute < REACH[self.inner] << math.bits, "an argument beyond the reach")
        grown = math.exp(u.absolute)[1]
        return math.exp(u.high + u.absolute)[1], self.up(math.one + max(u.high, 0), grown)

    def slope_log1p(self, u: Known) -> tuple[int, int]:
        """The same: ``1 / (1 + u)`` is the slope; ``u / (1 + u) <= log1p(u)``, and below 0 ``abs(u) <= -log1p(u)``."""
        one = self.math.one
        free = one + u.low - u.absolute
        need(free > 0, "a log1p of a number that may be below -1")
        need(size((u.low, u.high)) + u.absolute < one << self.top - 8, "an argument of log1p that is too large")
        steep, moved = self.over(one, free), min(u.relative or 0, one >> 1)
        exact = self.over(one, one - moved)
        return steep, exact if u.low >= 0 else max(exact, steep)

    def slope_atan(self, u: Known) -> tuple[int, int]:
        """The slope is at most 1, and ``atan(u) / u`` falls."""
        one = self.math.one
        need(size((u.low, u.high)) + u.absolute < one << self.top // 2 - 8, "an argument of atan that is too large")
        return one, one

    def wave(self, node: tuple, name: str) -> Known:
        """A sine or a cosine of a multiple of x."""
        key = (name, node)
        if key not in self.errors:
            turns = turns_of(node[1])
            ahead = node[0] == "cos"
            code, result = self.functions[name]
            need(not self.own, "a sine is not reduced in its own format")
            found = sine_error(code, result, ahead, turns, (self.format, self.inner))
            self.errors[key] = found, self.least(turns, ahead)
        error, least = self.errors[key]
        share, low, high = self.math.exact(error)[1], -self.math.one, self.math.one
        turns = turns_of(node[1])
        if size(self.x) < 64 << self.math.bits:
            with suppress(Failure):
                (a, b) = self.math.evaluate(node, [self.x])[0]
                low, high = max(a, low), min(b, high)
        return self.done(Known(low, high, share, 0, least, turns[0] == turns[1]), share)

    def least(self, turns: Interval, ahead: bool) -> Fraction:
        """How small a sine or cosine that is not 0 can be: ``sin(2 pi f)`` is 4 f at least."""
        digits, smallest, top = FORMATS[self.format]
        low, high = (Fraction(end, 1 << TURN_BITS) for end in turns)
        if low == high:
            return Fraction(low.numerator & -low.numerator, low.denominator) * Fraction(2) ** smallest
        most, found = max(abs(low), abs(high)) * 2**digits, []
        for e in range(smallest, top - digits + 1):
            small = ahead and most * Fraction(2) ** e < Fraction(1, 8)
            found.append(Fraction(1, 8) if small else nearest_zero((low, high), digits, e))
        need(min(found) > 0, "a sine may be 0")
        return short(4 * min(found))

    def size(self, scaled: int) -> Fraction:
        """A positive size, not much smaller."""
        need(scaled > 0, "a size that may be 0")
        return short(Fraction(scaled, self.math.one))


def cancels(a: Interval, b: Interval) -> bool:
    """Whether numbers of opposite signs are added of which one is at most twice the other in size (Sterbenz)."""
    if a[1] < 0 < b[0]:
        a, b = b, a
    return a[0] > 0 > b[1] and a[1] <= -2 * b[1] and -b[0] <= 2 * a[0]


def floor_log2(value: Fraction) -> int:
    """The power of two that is not above a positive number, or the one before."""
    return value.numerator.bit_length() - value.denominator.bit_length() - 1


def short(value: Fraction) -> Fraction:
    """A number not above a positive one, with at most 66 digits."""
    unit = Fraction(2) ** (floor_log2(value) - 64)
    return int(value / unit) * unit


@cache
def turns_of(argument: tuple) -> Interval:
    """Bounds of ``a / (2 pi)`` of an argument ``a x``, times ``2**TURN_BITS``; they are equal where it is exact."""
    factor = factor_of(argument)
    share = over_pi(factor)
    one = 1 << TURN_BITS
    if share is not None:
        need(
            share.denominator & (share.denominator - 1) == 0, "a sine with zeros at numbers that are not of the format"
        )
        return (share * one / 2).numerator, (share * one / 2).numerator
    fine = Arithmetic(TURN_BITS, float("inf"))
    a, pi = fine.evaluate(factor, [(0, 0)])[0], Functions(TURN_BITS).pi
    need(a[0] > 0 or a[1] < 0, "a sine of a multiple of x that is not known")
    return fine.div(a, (2 * pi[0], 2 * pi[1]))


def factor_of(argument: tuple) -> tuple:
    """The constant a of an argument ``a x``."""
    kind = argument[0]
    if kind == "x":
        return ONE
    if kind == "neg":
        return fold(("neg", factor_of(argument[1])))
    if kind == "/" and not has_x(argument[2]):
        return fold(("/", factor_of(argument[1]), argument[2]))
    if kind == "*":
        a, b = argument[1:]
        if has_x(a) != has_x(b):
            return fold(("*", factor_of(a), b) if has_x(a) else ("*", a, factor_of(b)))
    raise Other("a sine of something other than a multiple of x")


def over_pi(node: tuple) -> Fraction | None:
    """What a constant is over pi, where it shows that it is a rational multiple."""
    kind = node[0]
    if kind == "pi":
        return Fraction(1)
    if kind == "neg":
        inner = over_pi(node[1])
        return None if inner is None else -inner
    if kind in ("*", "/") and node[2][0] == "number" and node[2][1]:
        inner = over_pi(node[1])
        return None if inner is None else inner * node[2][1] if kind == "*" else inner / node[2][1]
    if kind == "*" and node[1][0] == "number":
        inner = over_pi(node[2])
        return None if inner is None else inner * node[1][1]
    return None
