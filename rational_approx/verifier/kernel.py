"""The verifier: code for all numbers of a 16-bit format, run again at each of them beside enclosures of the target.

Standard library only. An operation in float32 is one of doubles, rounded once more: for sums, products and quotients of
float32 numbers that gives the same (Figueroa, When is double rounding innocuous?, 1995).
"""

import operator
import struct
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from math import inf, isfinite, isnan
from typing import Any

from . import rays
from .jets import Arithmetic, Jet
from .reading import SWITCHED, Failure, chosen, in_time, must, need, number, read, shown, switch, text
from .steps import FORMATS, is_format_number

__all__ = ["KEYS", "SCHEMA", "Code"]

SCHEMA = "rational-approx/kernel/1"
KEYS = {"schema", "target", "format", "pieces", "facts", "wanted", "segments", "status", "hash"}
FACTS = {"inputs", "ulp", "worst", "correct", "faithful", "turns", "lowest", "highest", "at"}
OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}
To_check = tuple[str, str, Callable[[], None]]


class Pointwise(Arithmetic):
    """Values at single points, where functions with an exponential in them do not overflow."""

    def evaluate(self, node: tuple, u: Jet) -> Jet:
        if node[0] in SWITCHED and self.evaluate(switch(node), u)[0] == (0, 0):
            return self.evaluate(chosen(node, 0), u)  # here the value at a single point counts
        if node[0] not in ("sigmoid", "tanh", "softplus"):
            return super().evaluate(node, u)
        (low, high) = self.evaluate(node[1], u)[0]
        doubled = 2 if node[0] == "tanh" else 1
        negative = low + high < 0
        size = (max(0, -high), max(0, -low)) if negative else (max(0, low), max(0, high))
        if min(abs(low), abs(high)) > 0 and (low < 0) != (high < 0):
            raise Failure("an argument near zero is not known well enough")
        e = self.exp(-doubled * size[1])[0], self.exp(-doubled * size[0])[1]
        above = self.one + e[0], self.one + e[1]
        if node[0] == "softplus":
            small = self.log(above[0])[0], self.log(above[1])[1]
            return [small if negative else (small[0] + low, small[1] + high)]
        if node[0] == "sigmoid":
            return [self.div(e if negative else (self.one, self.one), above)]
        value = self.div((self.one - e[1], self.one - e[0]), above)
        return [(-value[1], -value[0]) if negative else value]


class Code:
    """What a file says of its code, and each statement with its check."""

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        self.content, self.deadline = content, deadline
        must(set(content["target"]) == {"name", "expression"}, "the target has other keys than it should")
        must(set(content["facts"]) == FACTS, "the facts have other keys than they should")
        self.format = content["format"]
        must(self.format in ("bfloat16", "float16"), "every number is tried of bfloat16 and float16 alone")
        self.digits, self.smallest, self.top = FORMATS[self.format]
        self.tree = read(content["target"]["expression"])
        self.bits = 64 + self.top - self.smallest  # for products with numbers of any size
        self.math = Pointwise(self.bits, deadline)
        self.pieces = [self.piece(entry) for entry in content["pieces"]]
        uppers = [upper for upper, _, _ in self.pieces]
        must(uppers and uppers[-1] == inf, "the last piece does not reach infinity")
        must(all(a < b for a, b in pairwise(uppers)), "the pieces are not in order")
        facts = content["facts"]
        for name in ("inputs", "correct", "faithful", "turns"):
            must(type(facts[name]) is int, f"{name} is no integer")
        self.ulp = number(facts["ulp"])
        must(self.ulp >= 0 and self.ulp <= number(content["wanted"]), "the error is larger than what was asked for")
        self.numbers = finite(self.format)
        must(facts["inputs"] == len(self.numbers), "the number of inputs is not that of the format")
        self.outputs: list[float] = []
        self.values: list[tuple[Any, Any]] = []
        self.far: dict[int, tuple[float, Any, Any]] = {}

    def piece(self, entry: Any) -> tuple[float, list[tuple[str, list[Any]]], Any]:
        """The upper end, the steps with their operands, and the result of a piece."""
        must(set(entry) == {"upper", "steps", "result", "about"}, "a piece has other keys than it should")
        upper = number(entry["upper"], True)
        must(abs(upper) == inf or is_format_number(upper, self.format), "a piece ends at no number of the format")
        steps: list[tuple[str, list[Any]]] = []
        for op, *names in entry["steps"]:
            must(op in (*OPERATIONS, "scale") and len(names) == 2, f"a step is unknown: {shown(op)}")
            steps.append((op, [self.operand(name, len(steps)) for name in names]))
        need(len(steps) <= 200, "too many steps for the verifier")
        return float(upper), steps, self.operand(entry["result"], len(steps))

    def operand(self, name: Any, count: int) -> Any:
        """``"x"``, the number of an earlier step, or a constant in float32."""
        must(isinstance(name, str), "an operand is no text")
        if name == "x":
            return name
        if name.startswith("v"):
            must(name[1:].isdigit() and int(name[1:]) < count, "an operand names no earlier step")
            return int(name[1:])
        value = number(name)
        must(is_format_number(value, "float32"), "a constant is no number of float32")
        return float(value)

    # -- what the code gives -----------------------------------------------------------------------------------------

    def run(self, inputs: list[float]) -> list[float]:
        """The outputs for inputs in ascending order."""
        out: list[float] = []
        at = 0
        for upper, steps, result in self.pieces:
            stop = at
            while stop < len(inputs) and inputs[stop] <= upper:
                stop += 1
            out += self.rounded(self.through(inputs[at:stop], steps, result))
            at = stop
        return out

    def through(self, x: list[float], steps: list[Any], result: Any) -> Any:
        """The operations of a piece at its inputs."""
        values: list[Any] = []

        def of(which: Any) -> Any:
            return x if which == "x" else values[which] if isinstance(which, int) else [which] * len(x)

        for op, names in steps:
            in_time(self.deadline)
            a, b = map(of, names)
            if op == "scale":
                need(all(abs(k) < 252 and k == int(k) for k in b), "a scaling is no integer, or too large")
                halves = [int(k / 2) for k in b]
                a = array("f", map(operator.mul, a, (2.0**h for h in halves)))
                values.append(array("f", map(operator.mul, a, (2.0 ** (k - h) for k, h in zip(b, halves)))))
            else:
                need(op != "div" or all(b), "a division by zero")
                values.append(array("f", map(OPERATIONS[op], a, b)))
        return of(result)

    def rounded(self, values: Any) -> list[float]:
        """To the format, ties to even."""
        if self.format == "float16":
            return [half(v) for v in values]
        codes = array("I")
        need(codes.itemsize == 4, "integers of another size than this verifier knows")
        codes.frombytes(array("f", values).tobytes())
        short = array("I", ((c + 0x7FFF + (c >> 16 & 1)) & 0xFFFF0000 for c in codes))
        must(not any(c & 0x7FFFFFFF > 0x7F800000 for c in codes), "an output is no number")
        return array("f", short.tobytes()).tolist()

    # -- what the target is ------------------------------------------------------------------------------------------

    def enclosed(self, x: float) -> tuple[Any, Any]:
        """Bounds of the target at a number, times ``2**bits``; at a large one perhaps those of all larger ones."""
        side = 1 if x > 0 else -1
        known = self.far.get(side)
        if known is not None and abs(x) >= known[0]:
            return known[1:]
        point = self.math.exact(Fraction(x))
        try:
            return self.math.evaluate(self.tree, [point])[0]
        except Failure:
            if abs(x) < 100:
                raise
        inward = self.tree if side > 0 else rays.substituted(self.tree, ("neg", ("x",)))
        bounds = rays.bounds(self.math, inward, self.math.exact(Fraction(abs(x))))
        if abs(x) <= self.far.get(side, (inf,))[0]:
            self.far[side] = abs(x), *bounds
        return bounds

    def prepare(self) -> None:
        """Run the code and enclose the target, once."""
        if self.values:
            return
        outputs = self.run(self.numbers)
        unit = 1 << self.bits
        self.scaled: dict[float, Any] = {}
        for y in set(outputs):
            n, d = Fraction(y).as_integer_ratio() if isfinite(y) else ((1 << self.top) * (1 if y > 0 else -1), 1)
            self.scaled[y] = n * unit // d
        self.outputs, self.values = outputs, [self.enclosed(x) for x in self.numbers]

    # -- statements --------------------------------------------------------------------------------------------------

    def heading(self) -> list[str]:
        """What the statements are about."""
        steps = sum(len(steps) for _, steps, _ in self.pieces)
        return [
            f"target    f(x) = {text(self.tree)}",
            f"code      {len(self.pieces)} pieces, {steps} operations in float32, each rounded to nearest",
            f"          the result y is rounded to {self.format}",
            f"inputs    all {len(self.numbers)} finite numbers of {self.format}",
        ]

    def statements(self) -> Iterator[To_check]:
        """Every statement of the file."""
        facts, every = self.content["facts"], "every input, by interval arithmetic"
        ulp = f"{float(self.ulp):.6f}"
        yield f"abs(y - f(x)) <= {ulp} units in the last place of f(x), at every input", every, self.near
        words = f"y is the number nearest to f(x) at {facts['correct']} inputs at least, and one of the two next to it"
        yield f"{words} at {facts['faithful']} at least", every, self.counted
        words = f"y moves against f from one input to the next at {facts['turns']} inputs at most"
        yield words, every, self.turned
        low, high = (plain(written(facts[name])) for name in ("lowest", "highest"))
        yield f"{low} <= y <= {high}, both reached", "every input", self.ranged
        at = ", ".join(plain(written(value)) for value in facts["at"])
        yield f"y at -inf, -0, 0, inf is {at}; y of no number is no number", "evaluation", self.ends

    def near(self) -> None:
        """The error in units in the last place."""
        self.prepare()
        top = 1 << self.top + self.bits
        for x, y, (low, high) in zip(self.numbers, self.outputs, self.values):
            least = max(low, -high, 0)
            if least >= top:
                must(abs(y) == inf and (y > 0) == (low > 0), f"the output at {x!r} is not infinite")
                continue
            need(abs(low) < inf and abs(high) < inf, f"the target at {x!r} is not known well enough")
            need(max(-low, high) < top or abs(y) == inf, f"the target at {x!r} is not known well enough")
            # The unit at the end nearer to 0 is the smaller one: for confirming that, for refuting the other.
            fine, coarse = (
                1 << max(size.bit_length() - self.digits, self.smallest + self.bits)
                for size in (least, max(-low, high))
            )
            at, n, d = self.scaled[y], self.ulp.numerator, self.ulp.denominator
            must(max(low - at, at - high, 0) * d <= n * coarse, f"the error at {x!r} is larger than stated")
            need(max(high - at, at - low) * d <= n * fine, f"the error at {x!r} is not known well enough")

    def counted(self) -> None:
        """How many outputs are the nearest number, or one of the two next."""
        self.prepare()
        top = 1 << self.top + self.bits
        correct = faithful = unsure = 0
        for y, (low, high) in zip(self.outputs, self.values):
            at = self.scaled[y]
            if max(low, -high) >= top:
                correct, faithful = correct + (abs(y) == inf), faithful + (abs(y) == inf)
                continue
            below, above = self.next_to(y, at)
            faithful += below < low and high < above
            surely = below + at < 2 * low and 2 * high < at + above
            correct += surely
            unsure += not surely and below + at <= 2 * high and 2 * low <= at + above
        facts = self.content["facts"]
        must(facts["correct"] <= len(self.numbers) and facts["faithful"] <= len(self.numbers), "too many inputs")
        must(facts["correct"] <= correct + unsure, f"only {correct} outputs are the nearest number")
        need(facts["correct"] <= correct, f"only {correct} outputs are seen to be the nearest number")
        need(facts["faithful"] <= faithful, f"only {faithful} outputs are seen to be one of the two next")

    def next_to(self, y: float, at: int) -> tuple[int, int]:
        """The numbers of the format next below and above one of them, or ``2**top`` in the place of the infinite."""
        least = 1 << self.smallest + self.bits
        if at == 0:
            return -least, least
        size, top = abs(at), 1 << self.top + self.bits
        step = max(1 << size.bit_length() - self.digits, least)
        inner = max(step >> 1, least) if size & (size - 1) == 0 else step
        outward, inward = min(size + step, top), size - inner
        return (inward, outward) if at > 0 else (-outward, -inward)

    def turned(self) -> None:
        """From how many inputs to the next y moves although f does not surely move in the same direction."""
        self.prepare()
        count = 0
        for k in range(1, len(self.numbers)):
            a, b = self.outputs[k - 1], self.outputs[k]
            if a != b:
                before, after = self.values[k - 1], self.values[k]
                count += not (after[0] > before[1] if b > a else after[1] < before[0])
        need(count <= self.content["facts"]["turns"], f"{count} turns are not excluded")

    def ranged(self) -> None:
        """The least and the largest output."""
        self.prepare()
        facts = self.content["facts"]
        for name, found in (("lowest", min(self.outputs)), ("highest", max(self.outputs))):
            must(written(facts[name]) == found, f"the {name} output is {found!r}")

    def ends(self) -> None:
        """The outputs at infinities and zeros."""
        found = self.run([-inf, -0.0, 0.0, inf])
        stated = [written(value) for value in self.content["facts"]["at"]]
        same = len(stated) == 4 and all(a == b and signed(a) == signed(b) for a, b in zip(stated, found))
        must(same, f"the outputs are {', '.join(map(repr, found))}")


def written(value: Any) -> float:
    """A number as the file writes it: exact, ``-0``, or infinite."""
    if value == "-0":
        return -0.0
    exact = number(value, True)
    return float(exact)


def plain(value: float) -> str:
    """A number for a reader, exact as Python prints a double."""
    return repr(value).removesuffix(".0")


def signed(value: float) -> bool:
    """Whether the sign of a number is minus, that of zero too."""
    return struct.pack(">d", value)[0] >= 128


def half(value: float) -> float:
    """A number rounded to float16, ties to even."""
    must(not isnan(value), "an output is no number")
    if abs(value) >= 65520:
        return inf if value > 0 else -inf
    return float(struct.unpack("<e", struct.pack("<e", value))[0])


def finite(format: str) -> list[float]:
    """Every finite number of a format, ascending, -0 before 0."""
    if format == "float16":
        positive = [struct.unpack("<e", struct.pack("<H", code))[0] for code in range(31 << 10)]
    else:
        positive = [struct.unpack("<f", struct.pack("<I", code << 16))[0] for code in range(255 << 7)]
    return [-v for v in reversed(positive)] + positive
