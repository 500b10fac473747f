"""The verifier: code that is the target's own formula, followed node by node.

Each node must be the operation that `docs/approximation/semantics-of-code.md` says. With it go bounds of the exact
value, and of how far the calculated one is from it: absolute, and relative to it. Standard library only.
"""

from contextlib import suppress
from fractions import Fraction
from math import inf
from typing import Any

from . import rays
from .boxes import Outcome, allowed_before, judged
from .called import WAVES, Calls
from .intervals import size
from .jets import Arithmetic
from .known import Known
from .reading import ONE, Failure, Other, has_x, need
from .rewritten import MINUS, rewritten
from .steps import rounded
from .zeros import without_holes

__all__ = ["Follower"]

WHOLE_POWERS = 6


def same(condition: Any) -> None:
    """Raise unless the code is as the formula says."""
    if not condition:
        raise Other("the code is not the formula of the target")


class Follower(Calls):
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
        super().__init__(math, functions, formats, side, flush)
        (self.steps, self.result), self.tree, self.side = code, tree, side
        self.divided = without_holes(tree, side)
        self.known: dict[Any, Known] = {}

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
        if self.own and isinstance(self.result, int):  # a constant is no operation, and as far off as it is
            done = done._replace(absolute=done.before[0], relative=done.before[1])
        box, nearest = (done.low, done.high), max(done.low, -done.high, 0)
        if done.relative is not None:  # the value may be known better than by its nodes
            # That of a function is in units in the last place: a share of the power of two above.
            called = isinstance(self.result, int) and self.steps[self.result][0] in self.functions
            largest = 1 << size(box).bit_length() if called else size(box)
            done = done._replace(absolute=min(done.absolute, self.up(done.relative, largest)))
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
            return self.applied(("silu", x), op, self.value(x, names[0]))
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
            if kind in WAVES:
                same(names[0] == "x")
                return self.wave(node, op)
            return self.applied(node, op, self.value(node[1], names[0]))
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
        same(not self.own)  # it is proved with operations in a wider format alone
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
