"""`implement`: from a function to code for every number of a format, with a proof over all of them."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import inf

from rational_approx import watch
from rational_approx.arithmetic.values import Value
from rational_approx.expressions.expression import Expression, parse
from rational_approx.expressions.nodes import FUNCTIONS
from rational_approx.kernels.enclosed import NotProved, enclosed_facts
from rational_approx.kernels.facts import Facts, TriedFacts, tried_facts
from rational_approx.kernels.kernel import BRANCH, Kernel, operations
from rational_approx.kernels.numbers import INNER, KINDS
from rational_approx.kernels.search import MARGIN, NoKernel, kernel_for
from rational_approx.kernels.truth import Truth, truth
from rational_approx.targets import gates, torch_activations

__all__ = ["Implementation", "NoKernel", "asked", "implement"]

FINER = (1.0, 0.25, 0.0625)
"""Shares of the room for approximation that are tried until the code turns nowhere where the target does not."""


@dataclass(frozen=True)
class Implementation(Value):
    """Code for a function, and what is proved of it at every number of its format.

    Attributes
    ----------
    expression:
        The target's text.
    name:
        What it was called: a gate, or the text itself.
    kernel:
        The operations.
    facts:
        Statements over all inputs.
    wanted, segments:
        What was asked for: the error in units in the last place, and the number of pieces.
    """

    expression: str
    name: str
    kernel: Kernel
    facts: Facts
    wanted: Fraction
    segments: int

    @property
    def operations(self) -> int:
        """All pieces together: a division counts four, a scaling two, a piece one more for its comparison."""
        return sum(operations(piece, self.kernel.functions) + BRANCH for piece in self.kernel.pieces)

    @property
    def longest(self) -> int:
        """The operations of the longest piece."""
        return max(operations(piece, self.kernel.functions) for piece in self.kernel.pieces)

    def __str__(self) -> str:
        found, lower = self.facts, -inf
        tried = isinstance(found, TriedFacts)
        lines = [
            f"{self.name} in {self.kernel.format}, proved at all {found.inputs} finite inputs: error <= "
            f"{float(found.ulp):.6f} ulp (asked: {float(self.wanted):g})"
        ]
        if isinstance(found, TriedFacts):
            lines.append(
                f"  nearest number at {found.correct}, one of the two next at {found.faithful}; "
                f"turns against the function: {found.turns}"
            )
        lines += [
            f"  outputs {'from' if tried else 'within'} {found.lowest!r} to {found.highest!r}; at -inf, -0, 0, inf: "
            f"{', '.join(map(repr, found.at))}",
            f"  {self.operations} operations in {len(self.kernel.pieces)} pieces, {self.longest} in the longest",
        ]
        for piece in self.kernel.pieces:
            lines.append(
                f"  ({lower:g}, {piece.upper:g}]: {piece.about}, {operations(piece, self.kernel.functions)} operations"
            )
            lower = piece.upper
        return "\n".join(lines)


def implement(
    target: object,
    *,
    format: str = "bfloat16",
    error: object = "1 ulp",
    accumulate: str | None = None,
    segments: int = 4,
    progress: watch.Listener | None = None,
    time_limit: float | None = None,
) -> Implementation:
    """Code for a function at **all** numbers of a format, with a proof over every one of them.

    Inputs and outputs are in the format, operations in a wider one, and the result is rounded once.

    Parameters
    ----------
    target:
        An expression in x, the name of a gate, a gate, or a ``torch.nn`` activation. It must have a real value at every
        number of the format.
    format:
        ``"bfloat16"`` or ``"float16"``, of which every number is tried, or ``"float32"``, proved by intervals.
    error:
        The largest error, in units in the last place of the format: ``"1 ulp"``, or a number above 0.5.
    accumulate:
        The format of the operations: ``"float32"`` for the formats of 16 bits, and ``"float64"`` for float32.
    segments:
        At most so many pieces between the two tails, which are constants or lines.
    progress, time_limit:
        See :func:`rational_approx.fit`.

    Raises
    ------
    ValueError
        for a format, an error or a target that makes no sense, or a target without a value at some number.
    NoKernel
        where nothing within that error was found; the message says what to try.

    >>> found = implement("tanh", format="bfloat16")
    >>> found.facts.ulp <= 1, found.facts.inputs, found.facts.turns
    (True, 65280, 0)
    """
    expression, name = _target(target)
    wanted = asked(format, error, accumulate, segments)
    with watch.watched(progress, time_limit):
        try:
            known = truth(expression, format)
            return _best(expression, name, known, wanted, segments)
        except watch.OutOfTime:
            raise NoKernel("the time was over before code was found: raise time_limit=") from None


def asked(format: str, error: object, accumulate: str | None = None, segments: int = 4) -> Fraction:
    """The wanted error in units in the last place; ValueError for a question to `implement` that makes no sense."""
    if format not in INNER:
        raise ValueError(f"format must be one of {', '.join(INNER)}, not {format!r}")
    if accumulate not in (None, INNER[format]):
        raise ValueError(
            f"code for {format} calculates in {INNER[format]}, not in {accumulate!r}: leave accumulate= out"
        )
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= 16:
        raise ValueError(f"segments must be an integer from 1 to 16, not {segments!r}")
    return _ulps(error)


def _best(expression: Expression, name: str, known: Truth, wanted: Fraction, segments: int) -> Implementation:
    cuts = tuple(float(cut) for cut in expression.breakpoints(-inf, inf))
    best: Implementation | None = None
    trouble: ArithmeticError | None = None
    for share in FINER:
        room = float(wanted - Fraction(1, 2)) * MARGIN * share
        try:
            kernel = kernel_for(known, cuts, room, float(wanted), segments)
            found = _proved(kernel, expression, known, wanted)
        except (NoKernel, NotProved) as problem:
            trouble = trouble or problem
            if isinstance(problem, NotProved):
                continue
            break
        if found.ulp <= wanted and (best is None or _turns(found) < _turns(best.facts)):
            best = Implementation(expression.text, name, kernel, found, wanted, segments)
        if best is not None and not _turns(best.facts):
            break
    if best is None:
        raise NoKernel(str(trouble or f"no code within {float(wanted):g} ulp was found: ask for a larger error"))
    return best


def _proved(kernel: Kernel, expression: Expression, known: Truth, wanted: Fraction) -> Facts:
    """What holds at every number: by trying all where they are few, else by enclosures over boxes of them."""
    if kernel.format in KINDS:
        return tried_facts(kernel, known)
    return enclosed_facts(kernel, expression, wanted)


def _turns(found: Facts) -> int:
    return found.turns if isinstance(found, TriedFacts) else 0


def _target(target: object) -> tuple[Expression, str]:
    gate = gates.find(target) or torch_activations.find(target)
    if gate is not None:
        return parse(gate.expression), gate.name
    if isinstance(target, Expression):
        return target, target.text
    if not isinstance(target, str):
        raise TypeError(
            f"code is proved for an expression or a gate, not for a {type(target).__name__}: give its formula as text"
        )
    if FUNCTIONS.get(target) == (1, 1):
        return parse(f"{target}(x)"), target
    if target.isidentifier() and target != "x":
        raise ValueError(
            f"there is no gate named {target!r}: write a function as a formula, {target}(x); "
            f"gates are {', '.join(gates.NAMES)}"
        )
    return parse(target), target


def _ulps(error: object) -> Fraction:
    words = re.fullmatch(r"\s*([0-9./eE+-]+)\s*(?:ulps?)?\s*", str(error))
    try:
        value = Fraction(words[1]) if words else Fraction(0)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not Fraction(1, 2) < value <= 1000:
        raise ValueError(f"error= is a number of ulp above 0.5, such as '1 ulp' or 0.52, not {error!r}")
    return value
