"""The verifier: rationals in barycentric form, ``sum(f_j t_j) / sum(t_j)`` with ``t_j = w_j / (z - z_j)``.

Times all differences ``z - z_j`` both sums are polynomials, so that nothing here has a pole. Standard library only.
"""

from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

from .polynomials import combined, product
from .steps import alike, is_format_number

__all__ = ["Form", "barycentric_form"]

MODERATE = 200
"""Numbers of a form lie between 2 to the powers of plus and minus so many: then no operation is too large, or
subnormal, for z of float32 or the square of one."""


class Term(NamedTuple):
    """A node, its weight, and the value there."""

    node: Fraction
    weight: Fraction
    value: Fraction


class Form(NamedTuple):
    """Which step is the quotient of both sums, which ones serve it alone, z, and the terms."""

    last: int
    inside: frozenset[int]
    z: Any
    terms: tuple[Term, ...]

    def sides(self) -> tuple[list[Fraction], list[Fraction]]:
        """Numerator and denominator in powers of z."""
        top, bottom = [Fraction(0)], [Fraction(0)]
        for at, term in enumerate(self.terms):
            part = [term.weight]
            for other in (*self.terms[:at], *self.terms[at + 1 :]):
                part = product(part, [-other.node, Fraction(1)])
            top, bottom = combined(top, part, term.value), combined(bottom, part, Fraction(1))
        return top, bottom

    def provable(self, steps: list[tuple[str, list[Any]]]) -> bool:
        """Whether, for x of float32 and operations of float64, z is exact and never a node, and all is moderate.

        Then each difference, each term and each product is off by a share of itself, and so is each sum.
        """
        least, most = Fraction(1, 2**MODERATE), Fraction(2**MODERATE)
        for term in self.terms:
            sizes = [abs(term.node), abs(term.weight), *([abs(term.value)] if term.value else [])]
            if not all(least <= size <= most for size in sizes):
                return False
        if isinstance(self.z, str):
            return self.z == "x" and not any(is_format_number(term.node, "float32") for term in self.terms)
        op, names = steps[self.z]
        return op == "mul" and names == ["x", "x"] and not any(is_square(term.node) for term in self.terms)


def is_square(value: Fraction) -> bool:
    """Whether a number is the square of one of float32."""
    if value < 0:
        return False
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    return root * root == value and is_format_number(root, "float32")


def barycentric_form(steps: list[tuple[str, list[Any]]], result: Any) -> Form | None:
    """The form among steps, of which nothing but its quotient is used elsewhere; None where there is none."""
    for last, (op, names) in enumerate(steps):
        if op == "div" and all(isinstance(name, int) for name in names):
            found = Reader(steps).form(last)
            if found is not None and found.terms[1:] and alone(steps, result, found):
                return found
    return None


def alone(steps: list[tuple[str, list[Any]]], result: Any, form: Form) -> bool:
    """Whether the steps of a form serve it alone, but for z."""
    if isinstance(result, int) and result in form.inside:
        return False
    if isinstance(form.z, int) and form.z in form.inside:
        return False
    others = [names for index, (_, names) in enumerate(steps) if index not in form.inside and index != form.last]
    return not any(isinstance(name, int) and name in form.inside for names in others for name in names)


class Reader:
    """Reads both sums from their last terms on."""

    def __init__(self, steps: list[tuple[str, list[Any]]]) -> None:
        self.steps, self.inside = steps, set[int]()

    def operands(self, name: Any, op: str) -> list[Any] | None:
        """The operands of a step, if it is of that kind."""
        if isinstance(name, int) and self.steps[name][0] == op:
            return self.steps[name][1]
        return None

    def form(self, last: int) -> Form | None:
        """The form that a quotient ends."""
        upper, lower = self.steps[last][1]
        above, below = self.weighted(upper), self.plain(lower)
        if above is None or not alike([name for name, _ in above], below):  # 3.0 is not step 3
            return None
        terms: list[Term] = []
        variable: Any = None
        for name, value in above:
            quotient = self.operands(name, "div")
            difference = None if quotient is None else self.operands(quotient[1], "sub")
            if quotient is None or difference is None:
                return None
            weight, (z, node) = quotient[0], difference
            if not (isinstance(weight, float) and isinstance(node, float)) or isinstance(z, float):
                return None
            if terms and (z != variable or type(z) is not type(variable)):
                return None
            variable = z
            self.inside |= {name, quotient[1]}
            terms.append(Term(Fraction(node), Fraction(weight), Fraction(value)))
        return Form(last, frozenset(self.inside), variable, tuple(terms))

    def plain(self, name: Any) -> list[Any]:
        """The terms of the lower sum."""
        found: list[Any] = []
        while (pair := self.operands(name, "add")) is not None:
            self.inside.add(name)
            name, term = pair
            found.insert(0, term)
        return [name, *found]

    def weighted(self, name: Any) -> list[tuple[Any, float]] | None:
        """The terms of the upper sum, with the values that they are multiplied by."""
        found: list[tuple[Any, Any]] = []
        while name is not None:
            if (fused := self.operands(name, "fma")) is not None:
                self.inside.add(name)
                term, value, name = fused
            elif (pair := self.operands(name, "add")) is not None:
                times = self.operands(pair[0], "mul")
                if times is None:
                    return None
                self.inside |= {name, pair[0]}
                (term, value), name = times, pair[1]
            elif (times := self.operands(name, "mul")) is not None:
                self.inside.add(name)
                (term, value), name = times, None
            else:
                return None
            if not isinstance(value, float) or not isinstance(term, int):
                return None
            found.insert(0, (term, value))
        return found
