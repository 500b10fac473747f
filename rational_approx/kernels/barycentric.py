"""Rationals in barycentric form: ``sum(f_j t_j) / sum(t_j)`` with ``t_j = w_j / (z - z_j)``.

Every set of values, nodes and weights gives a rational of type (n, n) that has the value f_j at z_j, and every rational
without a pole there is of this form. Next to a node both sums grow beyond all bounds, and the quotient does not. *At* a
node it would be no number: so nodes lie between the numbers that z may be, and code needs no branch for them.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import flint
import numpy as np

from rational_approx.arithmetic.floats import in_format, round_to
from rational_approx.arithmetic.polynomials import fmpq
from rational_approx.kernels.numbers import neighbours
from rational_approx.programs.program import INPUT, Constant, Operand, Result, Step, Writer

__all__ = ["Barycentric", "Block", "barycentric", "block_of"]

Sides = tuple[tuple[Fraction, ...], tuple[Fraction, ...]]
APART = 0.02
"""No node is nearer to zero than this share of the interval: numbers of a format crowd there."""
MOST = 200
"""Nodes, weights and values lie between ``2**-MOST`` and ``2**MOST``, so that nothing is too large or subnormal."""


@dataclass(frozen=True)
class Barycentric:
    """Nodes z_j, weights w_j and values f_j."""

    nodes: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]
    values: tuple[Fraction, ...]

    def written(self, writer: Writer, z: Operand) -> Operand:
        """The operations: each term of both sums once, the sums from the first one on."""
        top: Operand | None = None
        bottom: Operand | None = None
        for node, weight, value in zip(self.nodes, self.weights, self.values):
            t = writer.do("div", Constant(weight), writer.do("sub", z, Constant(node)))
            bottom = t if bottom is None else writer.do("add", bottom, t)
            if top is None:
                top = writer.do("mul", t, Constant(value))
            else:
                top = writer.multiply_add(t, Constant(value), top)
        assert top is not None
        assert bottom is not None
        return writer.do("div", top, bottom)

    def sides(self) -> tuple[flint.fmpq_poly, flint.fmpq_poly]:
        """P and Q in powers of z: both sums times all differences."""
        top, bottom = flint.fmpq_poly([0]), flint.fmpq_poly([0])
        for k, (weight, value) in enumerate(zip(self.weights, self.values)):
            part = flint.fmpq_poly([fmpq(weight)])
            for node in (*self.nodes[:k], *self.nodes[k + 1 :]):
                part *= flint.fmpq_poly([fmpq(-node), 1])
            top, bottom = top + part * fmpq(value), bottom + part
        return top, bottom

    def moderate(self) -> bool:
        """Whether no operation can be too large, or subnormal, in float64 for z of float32 or its square."""
        least, most = Fraction(1, 2**MOST), Fraction(2**MOST)
        numbers = (*self.nodes, *self.weights, *(value for value in self.values if value))
        return all(least <= abs(number) <= most for number in numbers)


def barycentric(sides: Sides, seen: np.ndarray, variable: str, format: str, inner: str) -> Barycentric | None:
    """A rational in barycentric form, with nodes between the values ``seen`` of z, ascending, and rounded to the format
    of the operations; None where it cannot be had."""
    count = max(map(len, sides))
    low, high = float(seen[0]), float(seen[-1])
    angles = (2 * np.arange(count) + 1) * np.pi / (2 * count)
    places = (low + high) / 2 - (high - low) / 2 * np.cos(angles)
    near = APART * (high - low)
    places = np.where(np.abs(places) < near, np.copysign(near, places), places)
    nodes = sorted({_between(float(place), seen, variable, format, inner) for place in places})
    if len(nodes) < count:
        return None
    top, bottom = (flint.fmpq_poly([fmpq(c) for c in side]) for side in sides)
    values, weights = [], []
    for k, node in enumerate(nodes):
        below = bottom(fmpq(node))
        if below == 0:
            return None
        values.append(top(fmpq(node)) / below)
        for other in (*nodes[:k], *nodes[k + 1 :]):
            below /= fmpq(node - other)
        weights.append(below)
    largest = max(map(abs, weights))
    rounded = [
        [round_to(Fraction(int(c.p), int(c.q)), inner) for c in numbers]
        for numbers in ([weight / largest for weight in weights], values)
    ]
    return Barycentric(tuple(nodes), tuple(rounded[0]), tuple(rounded[1])) if all(rounded[0]) else None


def _between(place: float, seen: np.ndarray, variable: str, format: str, inner: str) -> Fraction:
    """A number of the format of operations next to a place, between two that z may be."""
    if format == "float32":
        x = np.array([np.sqrt(abs(place)) if variable == "x^2" else place], dtype=np.float32)
        a, b = (Fraction(float(each)) for each in (x[0], neighbours(x, format)[1][0]))
        return round_to((a + b) / 2 if variable == "x" else (a * a + b * b) / 2, inner)
    at = int(np.searchsorted(seen, place).clip(1, seen.size - 1))
    around = range(max(at - 1, 1), min(at + 2, seen.size))
    at = max(around, key=lambda k: seen[k] - seen[k - 1])
    return round_to((Fraction(float(seen[at - 1])) + Fraction(float(seen[at]))) / 2, inner)


# -- what steps are --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Steps that evaluate a barycentric form: which one is its quotient, those before that it alone needs, and z."""

    last: int
    inside: frozenset[int]
    z: Operand
    parts: Barycentric

    def no_node(self, steps: tuple[Step, ...], format: str) -> bool:
        """Whether z is exact, and no node: z is x or ``x * x`` with all digits, and x a number of the format."""
        if self.z == INPUT:
            return not any(in_format(node, format) for node in self.parts.nodes)
        square = isinstance(self.z, Result) and steps[self.z.step] == ("mul", (INPUT, INPUT))
        return square and not any(_is_square(node, format) for node in self.parts.nodes)


def _is_square(node: Fraction, format: str) -> bool:
    """Whether a number is the square of one of a format."""
    if node < 0:
        return False
    n, d = isqrt(node.numerator), isqrt(node.denominator)
    return n * n == node.numerator and d * d == node.denominator and in_format(Fraction(n, d), format)


def block_of(steps: tuple[Step, ...], result: Operand | None) -> Block | None:
    """The barycentric form among steps, of which nothing but its quotient is used elsewhere; None where there is
    none."""
    for last, (op, names) in enumerate(steps):
        if op != "div" or not all(isinstance(name, Result) for name in names):
            continue
        found = _read(steps, last)
        if found is not None and not (isinstance(result, Result) and result.step in found.inside):
            return found
    return None


def _read(steps: tuple[Step, ...], last: int) -> Block | None:
    top, bottom = steps[last].operands
    terms: list[tuple[Operand, Fraction, Fraction]] = []
    inside: set[int] = set()
    values: list[tuple[Operand, Fraction]] = []

    def step(which: Operand, op: str) -> tuple[Operand, ...] | None:
        if not isinstance(which, Result) or steps[which.step].op != op:
            return None
        inside.add(which.step)
        return steps[which.step].operands

    below: list[Operand] = []
    while (pair := step(bottom, "add")) is not None:
        bottom, t = pair
        below.append(t)
    below.append(bottom)
    while True:
        fused = step(top, "fma")
        if fused is not None:
            t, value, top = fused
        else:
            pair = step(top, "add")
            one = step(top if pair is None else pair[0], "mul")
            if one is None:
                return None
            (t, value), top = one, top if pair is None else pair[1]
        if not isinstance(value, Constant):
            return None
        values.append((t, value.value))
        if fused is None and pair is None:
            break
    if [t for t, _ in values] != below or len(below) < 2:
        return None
    for t in reversed(below):
        quotient = step(t, "div")
        difference = None if quotient is None else step(quotient[1], "sub")
        if quotient is None or difference is None:
            return None
        weight, node = quotient[0], difference[1]
        if not isinstance(weight, Constant) or not isinstance(node, Constant):
            return None
        terms.append((difference[0], node.value, weight.value))
    z = terms[0][0]
    others = (name for k, (_, names) in enumerate(steps) if k not in inside and k != last for name in names)
    if any(term[0] != z for term in terms) or any(isinstance(n, Result) and n.step in inside for n in others):
        return None
    _, nodes, weights = zip(*terms)
    return Block(last, frozenset(inside), z, Barycentric(nodes, weights, tuple(value for _, value in values[::-1])))
