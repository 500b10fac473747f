"""Which constants of code are coefficients of which polynomials, and in which order."""

from fractions import Fraction

from rational_approx.kernels.kernel import ARITY
from rational_approx.programs.program import Constant, Operand, Result, Step

__all__ = ["polynomials_of"]

Powers = dict[int, Fraction | None]
"""Coefficients by power, None for a power that is there as it is."""
Known = tuple[Operand | None, Powers]
"""A polynomial in an operand; of a constant there is none."""


def polynomials_of(steps: tuple[Step, ...], result: Operand | None) -> list[tuple[bool, tuple[Fraction, ...]]]:
    """The constants of operations as coefficients of polynomials, the lowest power first, and whether one is divided by
    them; but for those in arguments of functions.

    A number that is multiplied with, or added to, something else than a polynomial is a polynomial by itself.
    """
    arguments = _arguments(steps)
    known: dict[int, Known] = {}
    found: list[tuple[bool, tuple[Fraction, ...]]] = []

    def of(which: Operand) -> Known:
        if isinstance(which, Constant):
            return None, {0: which.value}
        return known[which.step] if isinstance(which, Result) and which.step in known else (which, {1: None})

    def finished(value: Known, bottom: bool) -> None:
        c = tuple(value[1][k] for k in sorted(value[1]))
        constants = tuple(each for each in c if each is not None)
        if constants:
            found.append((bottom, constants))

    used = {which.step for _, names in steps for which in names if isinstance(which, Result)}
    for index, (op, names) in enumerate(steps):
        if index in arguments:
            continue
        value = _polynomial(op, [of(name) for name in names])
        if value is None:
            value = Result(index), {1: None}
            for place, name in enumerate(names):
                if op in ARITY:  # the argument of a function is one of those that stay as they are
                    finished(of(name), op == "div" and place == 1)
        known[index] = value
        if index not in used or Result(index) == result:
            finished(value, False)
    return found


def _arguments(steps: tuple[Step, ...]) -> set[int]:
    """The steps that arguments of functions need."""
    out: set[int] = set()
    for index in reversed(range(len(steps))):
        op, names = steps[index]
        if op not in ARITY or index in out:
            out |= {name.step for name in names if isinstance(name, Result)}
    return out


def _polynomial(op: str, given: list[Known]) -> Known | None:
    """What an operation makes of polynomials, where it is one in the same variable with the same coefficients."""
    if op == "fma":
        first = _polynomial("mul", given[:2])
        return None if first is None else _polynomial("add", [first, given[2]])
    if op not in ("mul", "add"):
        return None
    (a, p), (b, q) = given
    if None not in (a, b) and a != b:
        return None
    if op == "add":
        return None if p.keys() & q.keys() else (a or b, p | q)
    for (left, powers), (right, others) in ((given[0], given[1]), (given[1], given[0])):
        if left is not None and list(powers.values()) == [None]:  # a power of the variable
            return left or right, {k + next(iter(powers)): c for k, c in others.items()}
    return None
