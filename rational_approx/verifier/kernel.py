"""The verifier: code for all numbers of a format, its operations and single values of its target.

Standard library only. An operation in float32 is one of doubles, rounded once more: for sums, products and quotients of
float32 numbers that gives the same (Figueroa, When is double rounding innocuous?, 1995).
"""

import operator
import re
import struct
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from math import inf, isnan, nan, sqrt
from typing import Any

from . import rays
from .about_zero import stated_constraints
from .coefficients import stated_formats
from .jets import Arithmetic, Jet
from .machines import KEPT, Machine
from .reading import SWITCHED, Failure, chosen, in_time, line, must, need, number, read, shown, switch, text
from .schemes import fused_exactly, odd_sum, scheme_of
from .steps import FORMATS, is_format_number
from .zeros import exact

__all__ = ["SCHEMAS", "Code", "To_check", "normal", "plain", "written"]

SCHEMAS = tuple(f"rational-approx/kernel/{schema}" for schema in (4, 3, 2, 1))
KEYS = {"schema", "target", "format", "pieces", "facts", "wanted", "segments", "status", "hash"}
NEW_KEYS = {"inner", "functions", "cuts"}
PLAIN = {"order": "horner", "fma": False, "flush": False}
INNER = {"bfloat16": ("float32",), "float16": ("float32",), "float32": ("float64", "float32"), "float64": ("float64",)}
"""In which formats code for a format may calculate."""
OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}
SINGLE = ("sqrt", "round", "exponent")
KINDS = ("exp", "log", "sin", "cos", "expm1", "log1p", "atan", "sigmoid", "silu", "softplus")
"""Kinds of functions."""
MIDDLE = {"float32": 0x3F3504F3, "float64": 0x3FE6A09E667F3BCD}
"""The bits of the number next to the root of 1/2."""
MACHINES_SAY = "that keep subnormal numbers, or replace operands, results, or both by zero"
To_check = tuple[str, str, Callable[[], None]]


def normal(content: dict[str, Any]) -> dict[str, Any]:
    """The document in the form of schema 4: older ones have no scheme, the oldest no functions, and float32 alone."""
    schema = SCHEMAS.index(content["schema"])
    keys = KEYS | (NEW_KEYS if schema < 3 else set()) | ({"scheme"} if schema == 0 else set())
    must(set(content) == keys, "the file has other keys than it should")
    return {"inner": "float32", "functions": [], "cuts": [], "scheme": PLAIN} | content


class Pointwise(Arithmetic):
    """Values at single points, where functions with an exponential in them do not overflow."""

    def evaluate(self, node: tuple, u: Jet) -> Jet:
        if node[0] in SWITCHED and self.evaluate(switch(node), u)[0] == (0, 0):
            return self.evaluate(chosen(node, 0), u)  # here the value at a single point counts
        if node[0] in ("/", "*") and len(u) == 1 and u[0][0] == u[0][1]:
            value = self.at_hole(node, u[0])
            if value is not None:
                return [value]
        if node[0] not in ("sigmoid", "tanh", "softplus") or len(u) > 1:
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

    def at_hole(self, node: tuple, point: Any) -> Any:
        """The limit of a quotient at a simple zero that both sides share, by their slopes; or of a product with log(b),
        or log(abs(b)), at a simple zero of b where the other side is zero: 0."""
        x, line = Fraction(point[0], self.one), [point, (self.one, self.one)]
        if node[0] == "/":
            if exact(node[2], x) != 0 or exact(node[1], x) != 0:
                return None
            return self.div(*(Arithmetic.evaluate(self, side, line)[1] for side in node[1:]))
        for side, other in (node[1:], node[:0:-1]):
            if other[0] != "log":
                continue
            inner = other[1][1] if other[1][0] == "abs" else other[1]
            if exact(inner, x) == 0 and power_of(side, other[1]):  # v^c log(v)
                Arithmetic.evaluate(self, inner, [point])
                return 0, 0
            if exact(inner, x) == 0 and exact(side, x) == 0:
                Arithmetic.evaluate(self, side, line)
                slope = Arithmetic.evaluate(self, inner, line)[1]
                need(slope[0] > 0 or slope[1] < 0, "a logarithm of a number with a zero of a higher order")
                return 0, 0
        return None


def power_of(node: tuple, base: tuple) -> bool:
    """Whether a tree is a tree itself, its root, or a positive power of it, as it stands."""
    if node[0] in ("sqrt", "^") and node[1] == base:
        return bool(node[0] == "sqrt" or (node[2][0] == "number" and node[2][1] > 0))
    return node == base


class Code:
    """What a file says of its code."""

    facts: frozenset[str]
    """The keys of its facts."""
    unchecked: tuple[str, ...]
    """What the file holds that no statement rests on."""

    def __init__(self, content: dict[str, Any], deadline: float) -> None:
        self.content, self.deadline = content, deadline
        must(set(content["target"]) == {"name", "expression"}, "the target has other keys than it should")
        must(set(content["facts"]) == self.facts, "the facts have other keys than they should")
        for each in content["target"].values():
            line(each)
        words = f"name: that the target is called {shown(content['target']['name'])}"
        self.unchecked = words, "about: the pieces in words", "worst: the input with the largest error"
        self.format, self.inner = content["format"], content["inner"]
        must(self.inner in INNER[self.format], "code for this format calculates in another one")
        self.digits, self.smallest, self.top = FORMATS[self.format]
        must(isinstance(content["scheme"], dict), "the scheme is no object")
        self.coefficients = stated_formats(content["scheme"].get("coefficients", self.inner))
        form = content["scheme"].get("constraints")
        must(form is not None or "constraints" not in content["scheme"], "the constraints are none")
        self.constraints = None if form is None else stated_constraints(form)
        others = ("coefficients", "constraints")
        self.scheme = scheme_of({key: part for key, part in content["scheme"].items() if key not in others})
        self.tree = read(content["target"]["expression"])
        self.bits = 64 + self.top - self.smallest  # for products with numbers of any size
        self.math = Pointwise(self.bits, deadline)
        self.functions: dict[str, tuple[list[Any], Any]] = {}
        need(len(content["functions"]) <= 8, "too many functions for the verifier")
        self.functions = dict(map(self.function, content["functions"]))
        must(len(self.functions) == len(content["functions"]), "two functions have one name")
        self.pieces = [self.piece(entry) for entry in content["pieces"]]
        uppers = [upper for upper, _, _ in self.pieces]
        must(uppers and uppers[-1] == inf, "the last piece does not reach infinity")
        must(all(a < b for a, b in pairwise(uppers)), "the pieces are not in order")
        # float16 is calculated in float32, where its subnormal numbers are normal.
        self.flushed = Fraction(2) ** (-1022 if self.format == "float64" else -126)
        if self.scheme.flush:
            ends = [abs(upper) for upper in uppers]
            must(not any(0 < end < self.flushed for end in ends), "a piece ends at a subnormal number")
        self.ulp = number(content["facts"]["ulp"])
        must(self.ulp >= 0 and self.ulp <= number(content["wanted"]), "the error is larger than what was asked for")
        must(content["facts"]["inputs"] == self.count(), "the number of inputs is not that of the format")
        self.far: dict[int, tuple[float, Any, Any]] = {}

    def count(self) -> int:
        """How many finite numbers the format has."""
        return 2 * (self.top - self.smallest - self.digits + 2) << self.digits - 1

    def function(self, entry: Any) -> tuple[str, tuple[list[Any], Any]]:
        """The name, and the steps with the result, of a function that pieces call."""
        must(set(entry) == {"name", "steps", "result", "about"}, "a function has other keys than it should")
        name = entry["name"]
        line(entry["about"])
        must(
            isinstance(name, str) and re.fullmatch(f"({'|'.join(KINDS)})(_[0-9]{{1,2}})?", name),
            "a function is unknown",
        )
        steps = self.steps(entry["steps"])
        return name, (steps, self.operand(entry["result"], len(steps)))

    def piece(self, entry: Any) -> tuple[float, list[tuple[str, list[Any]]], Any]:
        """The upper end, the steps with their operands, and the result of a piece."""
        must(set(entry) == {"upper", "steps", "result", "about"}, "a piece has other keys than it should")
        line(entry["about"])
        upper = number(entry["upper"], True)
        must(abs(upper) == inf or is_format_number(upper, self.format), "a piece ends at no number of the format")
        steps = self.steps(entry["steps"])
        if entry["result"] == "nan":  # here the target has no value
            must(not steps, "a piece without a result")
            return float(upper), steps, nan
        return float(upper), steps, self.operand(entry["result"], len(steps))

    def steps(self, given: Any) -> list[tuple[str, list[Any]]]:
        """Operations with their operands."""
        out: list[tuple[str, list[Any]]] = []
        need(len(given) <= 1500, "too many steps for the verifier")
        for op, *names in given:
            must(op in (*OPERATIONS, "scale", "fma", *SINGLE, *self.functions), f"a step is unknown: {shown(op)}")
            single = op in SINGLE or op in self.functions
            must(len(names) == (1 if single else 3 if op == "fma" else 2), "a step has too many operands, or too few")
            out.append((op, [self.operand(name, len(out)) for name in names]))
        return out

    def operand(self, name: Any, count: int) -> Any:
        """``"x"``, the number of an earlier step, or a constant."""
        must(isinstance(name, str), "an operand is no text")
        if name == "x":
            return name
        if name.startswith("v"):
            must(name[1:].isdigit() and int(name[1:]) < count, "an operand names no earlier step")
            return int(name[1:])
        value = number(name)
        must(is_format_number(value, self.inner), f"a constant is no number of {self.inner}")
        return float(value)

    # -- what the code gives -----------------------------------------------------------------------------------------

    def run(self, inputs: list[float], machine: Machine = KEPT) -> list[float]:
        """The outputs for inputs in ascending order."""
        out: list[float] = []
        at, compared = 0, machine.given(inputs, self.inner)
        for upper, steps, result in self.pieces:
            (end,), stop = machine.given([upper], self.inner), at
            while stop < len(inputs) and compared[stop] <= end:
                stop += 1
            out += self.rounded(self.through(inputs[at:stop], steps, result, machine))
            at = stop
        return out

    def through(self, x: list[float], steps: list[Any], result: Any, machine: Machine) -> Any:
        """The operations of a piece at its inputs."""
        values: list[Any] = []
        kind, most = ("f", 252) if self.inner == "float32" else ("d", 2000)

        def of(which: Any) -> Any:
            return x if which == "x" else values[which] if isinstance(which, int) else [which] * len(x)

        for op, names in steps:
            in_time(self.deadline)
            if op in self.functions:
                values.append(self.through(list(of(names[0])), *self.functions[op], machine))
                continue
            a, *rest = given = [machine.given(of(name), self.inner) for name in names]
            if op in SINGLE:
                done = array(kind, map(getattr(self, "of_" + op), a))
            elif op == "scale":
                need(all(abs(k) < most and k == int(k) for k in rest[0]), "a scaling is no integer, or too large")
                halves = [int(k / 2) for k in rest[0]]
                first = [2.0**h for h in halves]
                a = machine.done("mul", array(kind, map(operator.mul, a, first)), [a, first], self.inner)
                given = [machine.given(a, self.inner), [2.0 ** (k - h) for k, h in zip(rest[0], halves)]]
                op, done = "mul", array(kind, map(operator.mul, *given))
            elif op == "fma":
                done = array(kind, map(odd_sum if kind == "f" else fused_exactly, *given))
            else:
                need(op != "div" or all(rest[0]), "a division by zero")
                done = array(kind, map(OPERATIONS[op], a, rest[0]))
            values.append(machine.done(op, done, given, self.inner))
        return of(result)

    def of_sqrt(self, v: float) -> float:
        """The root, which doubles round as float32 does."""
        return sqrt(v) if v >= 0 else nan

    def of_round(self, v: float) -> float:
        """The nearest integer, ties to even, of a number that is not too large; others stay."""
        digits = FORMATS[self.inner][0]
        magic = 1.5 * 2.0 ** (digits - 1)
        if not abs(v) < 2.0 ** (digits - 2):
            return v
        if digits == 53:
            return (v + magic) - magic
        return float(array("f", [v + magic])[0]) - magic

    def of_exponent(self, v: float) -> float:
        """The power of two that brings a positive number near 1; of others, as integers wrap around."""
        code, whole, shift = ("<f", "<i", 23) if self.inner == "float32" else ("<d", "<q", 52)
        need(not isnan(v), "an exponent of no number, which has either sign")
        half = 1 << 8 * struct.calcsize(whole) - 1
        bits = struct.unpack(whole, struct.pack(code, v))[0] - MIDDLE[self.inner]
        return float((bits + half) % (2 * half) - half >> shift)

    def rounded(self, values: Any) -> list[float]:
        """To the format, ties to even."""
        if self.format == "float16":
            return [half(v) for v in values]
        if self.format in ("float32", "float64"):
            return array("f" if self.format == "float32" else "d", values).tolist()
        codes = array("I")
        need(codes.itemsize == 4, "integers of another size than this verifier knows")
        codes.frombytes(array("f", values).tobytes())
        none = 0x7F800000  # codes beyond stand for no number
        short = array("I", (c if c & 0x7FFFFFFF > none else (c + 0x7FFF + (c >> 16 & 1)) & 0xFFFF0000 for c in codes))
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
            bounds = rays.on(self.math, self.tree, point)
            if bounds[0] > -inf or abs(x) < 100:
                return bounds
        inward = self.tree if side > 0 else rays.substituted(self.tree, ("neg", ("x",)))
        bounds = rays.bounds(self.math, inward, self.math.exact(Fraction(abs(x))))
        if abs(x) <= self.far.get(side, (inf,))[0]:
            self.far[side] = abs(x), *bounds
        return bounds

    # -- machines that flush -------------------------------------------------------------------------------------------

    def small(self, size: Any) -> bool:
        """Whether 0 is right where abs(f(x)) is so large, times ``2**bits``: then a machine may have made zero of y."""
        if not self.scheme.flush or self.format == "float16":
            return False
        most = self.flushed * (1 + max(Fraction(1), self.ulp) / 2 ** (self.digits - 1))
        return bool(size < most * 2**self.bits)

    def may_be_zero(self, x: float) -> bool:
        """Whether an input may be taken for zero."""
        return self.scheme.flush and self.format != "float16" and 0 < abs(x) < self.flushed

    # -- what both proofs state --------------------------------------------------------------------------------------

    def heading(self) -> list[str]:
        """What the statements are about."""
        steps = sum(len(steps) for _, steps, _ in self.pieces)
        return [
            f"target    f(x) = {text(self.tree)}",
            f"code      {len(self.pieces)} pieces, {steps} operations in {self.inner}, each rounded to nearest",
            f"          the result y is rounded to {self.format}",
            *[f"machines  {MACHINES_SAY}"][: self.scheme.flush],
            f"inputs    all {self.count()} finite numbers of {self.format}",
        ]

    def statements(self) -> Iterator[To_check]:
        """Every statement of the file."""
        raise NotImplementedError

    def ordered(self) -> list[To_check]:
        """The statement about the scheme, which older files do not make."""
        if self.content["schema"] != SCHEMAS[0]:
            return []
        order, how = self.scheme.order, "are one operation" if self.scheme.fma else "are two operations"
        words = f"polynomials are evaluated in {order.title()}'s order; a product and a sum {how}"
        if order == "barycentric":
            words = f"no piece has a polynomial in Horner's or Estrin's order; a product and a sum {how}"
        stated = "coefficients" in self.content["scheme"]
        words += f"; coefficients are numbers of {self.coefficients.words}" if stated else ""
        made: list[To_check] = [(words, "the operations themselves", self.in_order)]
        if self.constraints is not None:
            words = f"about zero y is P / Q but for rounding, {self.constraints.words}"
            made.append((words, "the operations, multiplied out", self.about_zero))
        return made

    def about_zero(self) -> None:
        """Whether one piece, of the form that is stated, has zero and numbers on both sides."""
        least, before = Fraction(2) ** self.smallest, -inf
        for upper, steps, result in self.pieces:
            if upper >= 0:
                must(before < -least and upper >= least, "no piece has numbers on both sides of zero")
                must(not (isinstance(result, float) and isnan(result)), "the piece about zero gives no number")
                assert self.constraints is not None
                must(self.constraints.held(steps, result), "the piece about zero is not of the form that is stated")
                return
            before = upper

    def in_order(self) -> None:
        """Whether the steps are as the scheme says."""
        for _, steps, result in self.pieces:
            must(self.scheme.obeyed(steps), "the operations of a piece are not those of the scheme")
            wrong = self.coefficients.misfit(steps, result, self.functions)
            must(wrong is None, f"a coefficient is no number of its format: {wrong!r}")
        for name, (steps, _) in self.functions.items():
            # Those of a wider format are the same in every scheme.
            if self.inner != self.format and name.split("_")[0] in ("expm1", "log1p", "atan"):
                continue
            sine = name[:3] in ("sin", "cos")
            # Reductions have polynomials, which are Horner's where rationals are in barycentric form.
            scheme = self.scheme if self.scheme.order != "barycentric" else self.scheme._replace(order="horner")
            must(scheme.obeyed(steps, sine), f"the operations of {name} are not those of the scheme")

    def ends(self) -> None:
        """The outputs at infinities and zeros."""
        stated = [written(value) for value in self.content["facts"]["at"]]
        for machine in self.scheme.machines:
            found = self.run([-inf, -0.0, 0.0, inf], machine)
            same = len(stated) == 4 and all(
                (isnan(a) and isnan(b)) or (a == b and signed(a) == signed(b)) for a, b in zip(stated, found)
            )
            must(same, f"the outputs are {', '.join(map(repr, found))}")


def written(value: Any) -> float:
    """A number as the file writes it: exact, ``-0``, infinite, or none."""
    if value in ("-0", "nan"):
        return -0.0 if value == "-0" else nan
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
    if isnan(value):
        return nan
    if abs(value) >= 65520:
        return inf if value > 0 else -inf
    return float(struct.unpack("<e", struct.pack("<e", value))[0])
