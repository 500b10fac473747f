"""The verifier: code for float32 and float64, of which the error is bounded over boxes of inputs.

The file names the numbers where the target may switch between branches. They, and zero, are looked at one by one.
Between them inputs are covered by boxes, each twice as wide as the one before, until a half-line beyond has a bound of
its own, and a box that says too little is halved. Standard library only.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from math import inf, isinf, isnan
from typing import Any

from . import branches, rays
from .boxes import AtZero, Inner, Judge, Outcome, allowed_before, judged, unit_at
from .exp_times import ExpTimesJudge, known_product
from .formulas import Follower
from .jets import Arithmetic
from .kernel import OPERATIONS, Code, To_check, plain, written
from .logarithms import logarithm_error
from .machines import least_normal
from .reading import ONE, Failure, in_time, must, need, number
from .reductions import REACH, exponential_error
from .steps import FORMATS, alike, is_format_number, rounded
from .sums import domain, sum_errors
from .undefined import infinite, nowhere

__all__ = ["Enclosed"]

START = Fraction(1, 8)
MOST = 40_000
FEW = 5
"""So many powers of two above the least normal number subnormal results are looked at more closely."""


class Enclosed(Code):
    """The error and the range are checked on boxes."""

    facts = frozenset(("inputs", "ulp", "worst", "lowest", "highest", "at"))

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        super().__init__(content, deadline)
        self.boxes_math = Arithmetic(self.bits, deadline)
        self.kind, self.own = FORMATS[self.format], self.format == self.inner
        self.inside_of = Inner(*FORMATS[self.inner], self.own, self.scheme.flush)
        need(len(content["cuts"]) <= 100, "too many cuts for the verifier")
        self.cuts = sorted({Fraction(0), *map(number, content["cuts"])})
        self.largest = (1 - Fraction(1, 2**self.digits)) * 2**self.top
        self.lowest, self.highest = (written(content["facts"][name]) for name in ("lowest", "highest"))
        if self.scheme.flush:
            every = [steps for _, steps, _ in self.pieces] + [steps for steps, _ in self.functions.values()]
            found = [name for steps in every for _, names in steps for name in names if isinstance(name, float)]
            must(not any(0 < abs(c) < least_normal(self.inner) for c in found), "a constant is subnormal")
            zero_in = self.lowest <= 0 <= self.highest or min(abs(self.lowest), abs(self.highest)) >= 2 * self.flushed
            must(zero_in, "0, which may be in the place of a subnormal output, is out of the range")
        self.calls: dict[str, Any] = {}
        self.shares = {
            name: sum_errors("exp", *code, self.inner, self.scheme.flush)[2]
            if self.own
            else exponential_error(*code, self.inner)
            for name, code in self.functions.items()
            if name == "exp"
        }
        for name, share in self.shares.items():
            reach = REACH[self.inner]
            low, high = domain(name, self.inner) if self.own else (Fraction(-reach), Fraction(reach))
            self.calls[name] = *(self.boxes_math.exact(end)[0] for end in (low, high)), self.boxes_math.exact(share)[1]
        if self.own and "log" in self.functions:
            least = Fraction(2) ** (self.smallest + self.digits - 1)
            share = sum_errors("log", *self.functions["log"], self.inner, self.scheme.flush)[2]
            ends = self.boxes_math.exact(least)[1] - 1, 1 << self.top + self.bits
            self.calls["log"] = *ends, self.boxes_math.exact(share)[1]

    def heading(self) -> list[str]:
        """What the statements are about."""
        lines = [
            f"{name} is calculated within a share {float(share):.3g} of itself, for arguments up to {REACH[self.inner]}"
            for name, share in self.shares.items()
        ]
        lines += [
            f"{name} is calculated within a share {float(logarithm_error(*code, self.inner)):.3g} of itself"
            for name, code in self.functions.items()
            if name.split("_")[0] == "log" and not self.own
        ]
        return [*super().heading(), *lines]

    def statements(self) -> Iterator[To_check]:
        """Every statement of the file."""
        low, high = plain(self.lowest), plain(self.highest)
        words = f"abs(y - f(x)) <= {float(self.ulp):.6f} units in the last place of f(x), and {low} <= y <= {high}"
        how = "Taylor models on boxes of inputs, formulas node by node, rounding errors step by step"
        yield f"{words}, at every input", how, self.near
        yield from self.ordered()
        at = ", ".join(plain(written(value)) for value in self.content["facts"]["at"])
        yield f"y at -inf, -0, 0, inf is {at}; y of no number is no number", "evaluation", self.ends

    # -- where inputs are cut ----------------------------------------------------------------------------------------

    def near(self) -> None:
        """The error and the range at every number."""
        for point in self.cuts:
            if is_format_number(point, self.format):
                self.point(point)
        self.seen, first = 0, -self.largest
        for upper, steps, result in self.pieces:
            if upper == -inf:
                continue
            last = self.largest if upper == inf else min(self.largest, Fraction(upper))
            if last < first:
                continue
            for tree, a, b in self.spans(first, last):
                if isinstance(result, float) and isnan(result):
                    least = Fraction(2) ** self.smallest * (1 if b > 0 else -1)
                    missing = nowhere(self.math, tree, a or least, b or least)
                    need(missing, f"between {float(a)!r} and {float(b)!r} the target may have a value")
                    continue
                judges = [self.judge((steps, result), tree, 1 if b > 0 else -1)]
                small = self.scheme.flush and max(abs(a), abs(b)) < self.flushed
                if small and self.has_series(steps):  # what is right at zero is right
                    judges.append(
                        AtZero(self.boxes_math, (steps, result), self.enclosed(0.0), self.calls, self.inside_of)
                    )
                self.part(judges, a, b)
            if last == self.largest:
                return
            first = self.after(last)

    def point(self, point: Fraction) -> None:
        """The error at one number; there must be no value where the code gives none, or an infinity at its end."""
        for x in (float(point),) if point else (-0.0, 0.0):
            y = self.run([x])[0]
            if isnan(y) or (isinf(y) and nowhere(self.math, self.tree, point, point)):
                need(nowhere(self.math, self.tree, point, point), f"the target may have a value at {x!r}")
                must(isnan(y) or self.lowest <= y <= self.highest, f"the output at {x!r} is out of range")
                signs = {infinite(self.math, self.tree, point, side) for side in self.beside(point)}
                good = isnan(y) or signs == {1 if y > 0 else -1}
                need(good, f"no infinity is seen at {x!r}")
                continue
            found = self.single(x)
            must(found != "above", f"the error at {x!r} is larger than stated")
            need(found == "within", f"the error at {x!r} is not known well enough")

    def beside(self, point: Fraction) -> list[int]:
        """On which sides of a number the code gives numbers."""
        outer = {1: self.after(point), -1: -self.after(-point)}
        return [side for side, x in outer.items() if not isnan(self.run([float(x)])[0])]

    def judge(self, code: Any, tree: tuple, side: int) -> Any:
        """Code that is the target's formula is followed node by node; all other is compared with it on small boxes."""
        if code[0]:
            formats = self.format, self.inner
            follower = Follower(self.boxes_math, code, tree, self.functions, formats, side, self.scheme.flush)
            if follower.is_formula():
                return follower
        known = known_product(code[0], code[1], self.inner) if self.own else None
        if known is not None:
            return ExpTimesJudge(self.boxes_math, code, tree, (self.inner, self.inside_of), known)
        need(self.has_series(code[0]), "operations that are not those of the target's formula")
        return Judge(self.boxes_math, code, branches.shortened(tree), self.calls, self.inside_of)

    def has_series(self, steps: list[Any]) -> bool:
        """Whether every operation is one that `Judge` knows."""
        return all(op in (*OPERATIONS, "fma", *self.calls) for op, _ in steps)

    def spans(self, first: Fraction, last: Fraction) -> Iterator[tuple[tuple, Fraction, Fraction]]:
        """The target between cuts, and numbers of the format at both ends, or zero."""
        inside = [cut for cut in self.cuts if first <= cut <= last]
        for a, b in pairwise([None, *inside, None]):
            low = first if a is None else a if a == 0 else self.after(a)
            high = last if b is None else b if b == 0 else -self.after(-b)
            if low < high or (low == high and low not in inside):
                span = low if a is None else a, high if b is None else b
                least = Fraction(2) ** self.smallest
                at = low or least, high or -least
                tree = branches.resolved(self.tree, span, self.boxes_math, at) if span[0] < span[1] else self.tree
                yield tree, low, high

    def part(self, judges: list[Any], lower: Fraction, upper: Fraction) -> None:
        """Every number between two on one side of zero."""
        side = 1 if upper > 0 else -1
        inner, outer = sorted((abs(lower), abs(upper)))
        while inner < outer:
            if outer == self.largest and inner and self.beyond(judges[0], side * inner, side):
                return
            squares = Fraction(2) ** ((self.inside_of.smallest >> 1) - 12)
            first = self.own and (not inner or (self.scheme.flush and inner < squares))
            step = min(outer, START if first else 2 * inner or START)
            if first and step > squares:
                # Nearer to zero squares are far below the least number; what is lost where results are subnormal
                # counts next to the normal ones alone, so that halving boxes down to there would be of no use.
                few = max(inner, Fraction(2) ** (self.smallest + self.digits + FEW))
                if inner < few:
                    self.box(judges, (side * inner, side * few), near=inner > 0)
                self.box(judges, (side * few, side * squares), near=True)
                self.box(judges, (side * squares, side * step), near=True)
            else:
                self.box(judges, (side * inner, side * step))
            inner = step
        if lower == upper:
            self.box(judges, (lower, upper))

    # -- boxes -------------------------------------------------------------------------------------------------------

    def last(self, judge: Any) -> Fraction:
        """What the last rounding adds: nothing to the input, or to a number of the format."""
        result = judge.result
        exact = result == "x" or (isinstance(result, float) and is_format_number(Fraction(result), self.format))
        return Fraction(0) if exact else Fraction(1, 2)

    def box(self, judges: list[Any], ends: tuple[Fraction, Fraction], near: bool = False) -> None:
        """A box, perhaps near zero, halved until one of the judges finds that the statement holds on every part."""
        stack, last = [(min(ends), max(ends), near)], self.last(judges[0])
        need(self.ulp >= last, "the last rounding alone may be off by more")
        while stack:
            in_time(self.deadline)
            (a, b, near), self.seen = stack.pop(), self.seen + 1
            need(self.seen < MOST, "too many boxes")
            if 0 in (a, b) and b - a < Fraction(2) ** self.smallest:
                continue  # it holds no number but zero
            reason = "the error is not known well enough"
            if any(self.judged_inside(judge, (a, b, near), last) for judge in judges):
                continue
            middle = (a + b) / 2
            point = rounded(middle, self.format)
            if a <= point <= b:
                must(self.single(float(point)) != "above", f"the error at {float(point)!r} is larger than stated")
            need(0 in (a, b) or b - a > abs(a) / 2**30, f"near {float(a)!r} {reason}")
            stack += [(middle, b, near and b < 0), (a, middle, near and a > 0)]

    def judged_inside(self, judge: Any, box: tuple[Fraction, Fraction, bool], last: Fraction) -> bool:
        """Whether a judge finds that the statement holds on a box."""
        with suppress(Failure):
            return self.inside(judge.outcome(box, self.kind, self.ulp, last))
        return False

    def inside(self, found: Outcome) -> bool:
        """Whether an error is small, and what is calculated is rounded into the range."""
        if not found.holds:
            return False
        for end, bound, side in ((found.low, self.lowest, 1), (found.high, self.highest, -1)):
            if isinf(bound):
                continue
            if (Fraction(end, 1 << self.bits) - Fraction(bound)) * side < 0:
                if abs(end) >= 1 << self.top + self.bits:
                    return False
                if (rounded(Fraction(end, 1 << self.bits), self.format) - Fraction(bound)) * side < 0:
                    return False
        return True

    def beyond(self, judge: Any, start: Fraction, side: int) -> bool:
        """Whether the statement holds on a half-line, for a constant or a multiple of x."""
        math, result = self.boxes_math, judge.result
        if isinstance(judge, Follower):
            low, high = sorted((start, side * self.largest))
            with suppress(Failure):
                return self.inside(judge.outcome((low, high, False), self.kind, self.ulp, self.last(judge)))
            return False
        tree = judge.tree if side > 0 else rays.substituted(judge.tree, ("neg", ("x",)))
        at, allowed = math.exact(abs(start)), allowed_before(self.ulp, self.last(judge))
        with suppress(Failure):
            if isinstance(result, float):
                if abs(result) >= 2**self.top:
                    return self.too_large(tree, at, result)
                low, high = rays.bounds(math, tree, at)
                c = math.exact(Fraction(result))
                need(max(abs(low), abs(high)) < inf, "the target is not bounded")
                error, least = max(high - c[0], c[1] - low), max(low, -high, 0)
                done = judged((low, high), (error, error), least, allowed, self.kind, self.bits)
                return done.holds and self.holds(result)
            slope, offset = line(judge)
            if abs(slope * start) >= 2**self.top and not offset:
                return self.too_large(tree, at, slope * start)
            low, high = rays.bounds(math, ("/", tree, ("x",)), at)
            low, high = (low, high) if side > 0 else (-high, -low)
            need(max(abs(low), abs(high)) < inf, "the target over x is not bounded")
            s, off = math.exact(slope), abs(offset / start)
            roundings = max(len(judge.steps) - self.own, 0)  # the input itself has none
            share = off + 2 * roundings * (abs(slope) + off) / 2 ** FORMATS[self.inner][0]
            error = max(high - s[0], s[1] - low) + math.exact(share)[1]
            least = max(low, -high)
            d, n = allowed.denominator, allowed.numerator
            small = least > 0 and 2 * (error << self.digits) < least and (error << self.digits) * d <= n * least
            return small and self.ends_in_range(start, side * self.largest)
        return False

    def too_large(self, tree: tuple, at: Any, y: Any) -> bool:
        """Whether the target is larger than every number from one on, and has the sign of what the code gives."""
        math = self.boxes_math
        low, high = rays.bounds(math, ("/", ONE, tree), at)
        large = max(-low, high) << self.top <= math.one
        value = math.evaluate(tree, [at])[0]
        return large and bool(value[0] > 0 if y > 0 else value[1] < 0) and self.holds(y)

    def holds(self, y: Any) -> bool:
        """Whether an output lies in the range."""
        if abs(y) > self.largest:
            return isinf(self.highest if y > 0 else self.lowest)
        return bool(self.lowest <= rounded(Fraction(y), self.format) <= self.highest)

    def ends_in_range(self, *ends: Fraction) -> bool:
        """Whether what a line gives at two numbers of the format lies in the range: between them it rises, or falls,
        with every rounding."""
        x = sorted(float(rounded(end, self.format)) for end in ends)
        every = (self.run(x, machine) for machine in self.scheme.machines)
        return all(self.lowest <= y <= self.highest for found in every for y in found)

    def after(self, value: Fraction) -> Fraction:
        """The number of the format next above a real number."""
        near = Fraction(rounded(value, self.format))
        return near if near > value else Fraction(neighbour(float(near), self.format))

    def single(self, x: float) -> str:
        """Whether the error at one number is ``within`` what is stated, or ``above``; else ``unknown``."""
        every = [self.beside_target(x, self.run([x], machine)[0]) for machine in self.scheme.machines]
        return next((bad for bad in ("above", "unknown") if bad in every), "within")

    def beside_target(self, x: float, y: float) -> str:
        """The same for an output of some machine."""
        found = self.near_to(y, *self.enclosed(x))
        if found != "within" and self.may_be_zero(x):
            other = self.near_to(y, *self.enclosed(0.0))
            return other if found == "above" or other == "within" else found
        return found

    def near_to(self, y: float, low: Any, high: Any) -> str:
        """The same beside bounds of the target."""
        if not self.lowest <= y <= self.highest:
            return "above"
        if max(low, -high) >= 1 << self.top + self.bits:
            return "within" if isinf(y) and (y > 0) == (low > 0) else "above"
        if y == 0 and self.small(max(-low, high)):
            return "within"
        if max(-low, high) == inf:
            return "unknown"
        at = Fraction(y) if not isinf(y) else Fraction(2) ** self.top * (1 if y > 0 else -1)
        fine, coarse = (unit_at(max(size, 0), self.kind, self.bits) for size in (max(low, -high), max(-low, high)))
        scaled = at * 2**self.bits
        if max(low - scaled, scaled - high) > self.ulp * coarse:
            return "above"
        return "within" if max(high - scaled, scaled - low) <= self.ulp * fine else "unknown"


def line(judge: Judge) -> tuple[Fraction, Fraction]:
    """Slope and offset of code that is at most one product and one sum with constants."""
    slope, offset = Fraction(1), Fraction(0)
    last: Any = "x"
    need(len(judge.steps) <= 2, "code beyond a line")
    if [op for op, _ in judge.steps] == ["fma"]:
        u, a, b = judge.steps[0][1]
        need(
            u == "x" and isinstance(a, float) and isinstance(b, float) and alike(judge.result, 0), "code beyond a line"
        )
        return Fraction(a), Fraction(b)
    for index, (op, names) in enumerate(judge.steps):
        found = [Fraction(which) for which in names if isinstance(which, float)]
        others = [which for which in names if not isinstance(which, float)]
        # Of two products the first may be too large or subnormal, of two sums the second may lose what x is.
        need(len(found) == 1 and others == [last] and op in ("mul", "add"), "code beyond a line")
        need(index == 0 or op != judge.steps[0][0], "code beyond a line")
        slope, offset = (slope * found[0], offset * found[0]) if op == "mul" else (slope, offset + found[0])
        last = index
    need(alike(judge.result, last), "code beyond a line")
    return slope, offset


def neighbour(value: float, format: str) -> float:
    """The next number of a format above one of it."""
    code, whole = ("<f", "<i") if format == "float32" else ("<d", "<q")
    bits = struct.unpack(whole, struct.pack(code, value))[0]
    if value == 0:
        bits = 1
    else:
        bits += 1 if value > 0 else -1
    return float(struct.unpack(code, struct.pack(whole, bits))[0])
