"""The verifier: how far the computed value of a rational may be from the exact one.

Standard library only.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from . import polynomials
from .intervals import Interval, Intervals, size
from .reading import Failure, in_time, need
from .steps import FORMATS, Operand, X, exact, is_format_number, rounded, splits, written

__all__ = ["is_format_number", "rounding_below", "weight_on"]

DEEPEST = 60
"""So often a box is halved at most."""


def wider(x: Interval, by: int) -> Interval:
    return x[0] - by, x[1] + by


class Analysis(Intervals):
    """The steps of one code in one type, with all that does not depend on the box."""

    def __init__(
        self,
        sides: list[list[Fraction]],
        basis: str,
        hull: list[Any],
        dtype: str,
        scheme: str,
        fused: bool,
        bound: Fraction,
    ) -> None:
        self.steps, ends = written(sides, hull, scheme, fused)
        self.digits, smallest, self.top = FORMATS[dtype]
        constants = {which[1] for _, names in self.steps for which in names if which[0] == "constant"}
        normal = Fraction(2) ** (smallest + self.digits - 1)
        gaps = {c: abs(c - rounded(c, dtype)) + (normal if 0 < abs(c) < normal else 0) for c in constants}
        whole = [polynomials.powers(side, basis, hull) for side in sides]
        super().__init__(precision(whole, [*constants, bound], hull))
        self.tiny = self.exact(normal)[1]
        self.constants = {c: (self.exact(c), self.exact(gap)[1]) for c, gap in gaps.items()}
        self.sharp = dict(zip(ends, ([self.exact(c) for c in side] for side in whole)))
        self.unrounded = [exact(step) for step in self.steps]
        self.split = [splits(number, self.steps) for number in range(len(self.steps))]

    def polynomial(self, side: list[Interval], low: int, high: int) -> Interval:
        """A polynomial on a box: its value in the middle, and the sum of the sizes of the other Taylor terms."""
        middle, more = low + high >> 1, 0
        value, *terms = self.shifted(side, (middle, middle), len(side))
        for term in reversed(terms):
            more = ((more + size(term)) * max(high - middle, middle - low) >> self.bits) + 1
        return wider(value, more)

    def half(self, largest: int) -> int:
        """Half a last place of the largest number: with ``2**e <= largest < 2**(e + 1)`` it is ``2**(e - digits)``."""
        place = largest.bit_length() - 1 - self.digits
        return 0 if largest == 0 else 1 << place if place > 0 else 1

    def bound(self, low: int, high: int) -> int | None:
        """How far the computed value may be from the exact one, for all inputs in a box; None without a bound."""
        values = self.forward(low, high)
        return None if values is None else min(self.backward((low, high), values), values[-1][1])

    def flushed(self, value: Interval, error: int = 0) -> int:
        """What is lost at most where a subnormal number is flushed to zero; nothing where the value is a normal one."""
        return 0 if max(value[0], -value[1]) - error > self.tiny else self.tiny

    def forward(self, low: int, high: int) -> list[tuple[Interval, int, int, int]] | None:
        """Of each step the exact values, how far the computed one may be off, and what rounding and flushing take."""
        bits, lost = self.bits, self.flushed((low, high))
        values: list[tuple[Interval, int, int, int]] = []
        for number, (kind, names) in enumerate(self.steps):
            pairs = [
                values[which][:2]
                if tag == "result"
                else self.constants[which]
                if tag == "constant"
                else ((low, high), lost)
                for tag, which in names
            ]
            (a, da), (b, db) = pairs[:2]
            if kind == "div":
                free = max(b[0], -b[1]) - db
                if free <= 0:
                    return None
                value = self.div(a, b)
                error = -(-((da << bits) + size(value) * db) // free)
            elif kind in ("mul", "fma"):
                value = self.mul(a, b)
                if names[0] == names[1]:
                    value = max(value[0], 0), value[1]
                error = -(-(size(a) * db + size(b) * da + da * db) >> bits)
                if kind == "fma":
                    (c, dc) = pairs[2]
                    value, error = (value[0] + c[0], value[1] + c[1]), error + dc
            else:
                value = (a[0] + b[0], a[1] + b[1]) if kind == "add" else (a[0] - b[1], a[1] - b[0])
                error = da + db
            side = self.sharp.get(("result", number))
            if side is not None:
                known = self.polynomial(side, low, high)
                value = max(value[0], known[0]), min(value[1], known[1])
            own = 0 if self.unrounded[number] else self.half(size(value) + error)
            small = self.flushed(value, error)
            error += own + small
            if size(value) + error >= 1 << bits + self.top - 1:
                return None
            values.append((value, error, own, small))
        return values

    def backward(self, x: Interval, values: list[tuple[Interval, int, int, int]]) -> int:
        """The sum over all roundings of their sizes times the slope of the result by them.

        The slopes are enclosed over all computed values, from the last step to the first. A rounding that reaches the
        result on several ways counts with the sum of the slopes, unless it may differ from way to way: for a product
        that a compiler may contract into one sum and not another, and where subnormal numbers are flushed.
        """
        slopes: dict[Operand, Interval] = {("result", len(values) - 1): (self.one, self.one)}
        sizes: dict[Operand, int] = {("result", len(values) - 1): self.one}
        computed, lost = [wider(value, error) for value, error, _, _ in values], self.flushed(x)

        def at(which: Operand) -> Interval:
            tag, name = which
            if tag == "result":
                return computed[name]
            return wider(*self.constants[name]) if tag == "constant" else wider(x, lost)

        def send(which: Operand, slope: Interval) -> None:
            before = slopes.get(which, (0, 0))
            slopes[which] = before[0] + slope[0], before[1] + slope[1]
            sizes[which] = sizes.get(which, 0) + size(slope)

        total = 0
        for number in range(len(values) - 1, -1, -1):
            (kind, names), this = self.steps[number], ("result", number)
            slope, whole = slopes.get(this, (0, 0)), sizes.get(this, 0)  # of a step without use: zero
            total += (whole if self.split[number] else size(slope)) * values[number][2] + whole * values[number][3]
            a, b, *rest = names
            if kind == "div":
                send(a, self.div(slope, at(b)))
                down, up = self.div(computed[number], at(b))
                send(b, (-up, -down))
            elif kind in ("mul", "fma"):
                send(a, self.mul(slope, at(b)))
                send(b, self.mul(slope, at(a)))
                for c in rest:
                    send(c, slope)
            else:
                send(a, slope)
                send(b, slope if kind == "add" else (-slope[1], -slope[0]))
        for which, slope in slopes.items():
            if which[0] == "constant":
                total += size(slope) * self.constants[which[1]][1]
        return (total + sizes.get(X, 0) * lost >> self.bits) + 1


def precision(sides: list[list[Fraction]], numbers: list[Fraction], hull: list[Any]) -> int:
    """Fractional bits that suffice as a rule; with too few the bounds are larger, and still bounds.

    A result is as sensitive as one over the denominator, which may be as small as its coefficients; the numbers are the
    constants and the bound.
    """
    numbers = [abs(c) for c in (*sides[0], *sides[1], *numbers) if c]
    small = max((c.denominator.bit_length() - c.numerator.bit_length() for c in numbers), default=0)
    reach = int(max(1, *(abs(end) for end in hull))).bit_length()
    return min(4000, 160 + 2 * max(0, small) + max(map(len, sides)) * reach)


def rounding_below(
    numerator: list[Fraction],
    denominator: list[Fraction],
    basis: str,
    hull: list[Any],
    domain: list[tuple[Any, Any]],
    dtype: str,
    scheme: str,
    fma: bool,
    weight_bound: Callable[[Fraction, Fraction], Fraction],
    bound: Fraction,
    deadline: float,
) -> bool:
    """Whether ``abs(weight) abs(computed - exact) <= bound`` is confirmed at every number of the type in the domain.

    The coefficients are those in the written basis, ``hull`` the ends that Chebyshev polynomials are mapped from;
    ``weight_bound`` gives an upper bound of ``abs(weight)`` on a box, or raises `Failure`.
    """
    need(dtype in ("float32", "float64"), "code calculates in float32 or float64")
    need(scheme in ("horner", "estrin", "clenshaw"), "the scheme is not known")
    need((scheme == "clenshaw") == (basis == "chebyshev"), "the scheme is one for the other basis")
    bounded = all(abs(end) < float("inf") for pair in domain for end in pair)
    need(domain and bounded and numerator and any(denominator), "code is bounded on a bounded domain only")
    ends = [domain[0][0], domain[-1][1]] if basis == "monomial" else hull
    need(all(abs(end) < float("inf") for end in ends) and ends[0] < ends[1], "the hull is no interval")
    analysis = Analysis([numerator, denominator], basis, ends, dtype, scheme, fma, bound)
    unit = Fraction(1, analysis.one)

    def below(low: int, high: int, pair: tuple[Any, Any]) -> bool:
        found = analysis.bound(low, high)
        try:
            weight = weight_bound(max(low * unit, pair[0]), min(high * unit, pair[1]))
        except Failure:  # no bound on this box, perhaps on its halves
            return False
        return found is not None and found * unit * weight <= bound

    stack = [(analysis.exact(pair[0])[0], analysis.exact(pair[1])[1], 0, pair) for pair in domain]
    while stack:
        in_time(deadline)
        low, high, depth, pair = stack.pop()
        if below(low, high, pair):
            continue
        middle = low + high >> 1
        # Where one number alone has no such bound, halving is of no use.
        if depth >= DEEPEST or high - low < 2 or (depth % 4 == 3 and not below(middle, middle, pair)):
            return False
        stack += [(middle, high, depth + 1, pair), (low, middle, depth + 1, pair)]
    return True


def weight_on(arithmetic: Any, tree: tuple) -> Callable[[Fraction, Fraction], Fraction]:
    """The upper bound of ``abs(weight)`` on a box that `rounding_below` asks for, from a tree."""

    def bound(lower: Fraction, upper: Fraction) -> Fraction:
        box = arithmetic.exact(lower)[0], arithmetic.exact(upper)[1]
        return Fraction(size(arithmetic.evaluate(tree, [box])[0]), arithmetic.one)

    return bound
