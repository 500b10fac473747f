"""The verifier: the formats that a file states for the coefficients of code, and which constants they are.

The constants of a polynomial in one variable, written in powers of it, have the formats of their side in turn, the
lowest power's first. Every other constant is a polynomial by itself. Standard library only.
"""

from fractions import Fraction
from typing import Any, NamedTuple

from .reading import must, shown
from .steps import FORMATS, is_format_number

__all__ = ["Stated", "stated_formats"]


class Stated(NamedTuple):
    """Formats of the coefficients above and below a line; of either the last one stands for all further ones."""

    above: tuple[str, ...]
    below: tuple[str, ...]

    @property
    def words(self) -> str:
        """For a reader."""
        if self.above == self.below:
            return listed(self.above)
        return f"{listed(self.above)} above the line, {listed(self.below)} below"

    def misfit(self, steps: list[tuple[str, list[Any]]], result: Any, functions: Any) -> float | None:
        """A constant that is no number of its format, but for those in arguments of functions; None without one."""
        for below, constants in Terms(steps, functions).every(result):
            names = self.below if below else self.above
            for place, value in enumerate(constants):
                if not is_format_number(Fraction(value), names[min(place, len(names) - 1)]):
                    return value
        return None


def listed(names: tuple[str, ...]) -> str:
    """Names for a reader."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and then {names[-1]} (lowest power first)"


def stated_formats(entry: Any) -> Stated:
    """The formats that a file states: one, or lists of both sides."""
    sides = entry if isinstance(entry, dict) else {"P": [entry], "Q": [entry]}
    must(set(sides) == {"P", "Q"}, "the formats of coefficients are of other sides")
    for names in sides.values():
        must(isinstance(names, list) and names, "the formats of coefficients are no list")
        for name in names:
            must(isinstance(name, str) and name in FORMATS, f"a format of coefficients is unknown: {shown(name)}")
    return Stated(tuple(sides["P"]), tuple(sides["Q"]))


class Sum(NamedTuple):
    """What a step is: ``coefficient variable^power`` summed up; a coefficient of None is no constant of the code, but
    the power as it is. The variable is ``"x"``, the number of a step, or -1 where there is none."""

    variable: Any
    terms: dict[int, float | None]


class Terms:
    """The steps of a piece, read as polynomials as far as they are."""

    def __init__(self, steps: list[tuple[str, list[Any]]], functions: Any) -> None:
        self.steps = steps
        self.inside: set[int] = set()
        """Steps that an argument of a function is made of."""
        for index in range(len(steps) - 1, -1, -1):
            op, names = steps[index]
            if op in functions or index in self.inside:
                self.inside.update(name for name in names if isinstance(name, int))
        self.calls = {index for index, (op, _) in enumerate(steps) if op in functions}

    def every(self, result: Any) -> list[tuple[bool, list[float]]]:
        """The constants of each polynomial, the lowest power first, and whether it stands below a line."""
        sums: dict[int, Sum] = {}
        found: list[tuple[bool, list[float]]] = []
        taken: set[int] = set()

        def of(name: Any) -> Sum:
            if isinstance(name, float):
                return Sum(-1, {0: name})
            return sums[name] if isinstance(name, int) and name in sums else Sum(name, {1: None})

        def done(value: Sum, below: bool) -> None:
            constants = [c for _, c in sorted(value.terms.items(), key=lambda term: term[0]) if c is not None]
            if constants:
                found.append((below, constants))

        for index, (op, names) in enumerate(self.steps):
            if index in self.inside:
                continue
            parts = [of(name) for name in names]
            value = None if index in self.calls else joined(op, parts)
            if value is None:
                value = Sum(index, {1: None})
                for place, part in enumerate(parts):
                    if index not in self.calls:
                        done(part, op == "div" and place == 1)
            taken |= {name for name in names if isinstance(name, int)}
            sums[index] = value
        for index, value in sums.items():
            if index not in taken or (isinstance(result, int) and index == result):
                done(value, False)
        return found


def joined(op: str, parts: list[Sum]) -> Sum | None:
    """The polynomial that a sum, or a product with a power of the variable, makes of others: with the same constants
    for coefficients."""
    if op == "fma":
        product = joined("mul", parts[:2])
        return None if product is None else joined("add", [product, parts[2]])
    if op not in ("add", "mul"):
        return None
    first, second = parts
    alike = type(first.variable) is type(second.variable) and first.variable == second.variable
    bare = [isinstance(part.variable, int) and part.variable == -1 for part in parts]
    if not alike and not any(bare):
        return None
    variable = second.variable if bare[0] else first.variable
    if op == "add":
        if set(first.terms) & set(second.terms):
            return None
        return Sum(variable, {**first.terms, **second.terms})
    for power, other in ((first, second), (second, first)):
        if len(power.terms) == 1 and None in power.terms.values():
            (by,) = power.terms
            return Sum(variable, {k + by: c for k, c in other.terms.items()})
    return None
