"""The arguments of sines and cosines: lines ``a x + b``, in turns."""

from fractions import Fraction

from flint import arb

from rational_approx.arithmetic.precision import to_fraction, working_bits
from rational_approx.expressions.enclosures import ENCLOSURES
from rational_approx.expressions.nodes import Node, build, evaluate
from rational_approx.kernels.library import NoFormula
from rational_approx.kernels.rewritten import ONE
from rational_approx.kernels.sines import BITS, Turns

__all__ = ["turns_of", "varies"]


def turns_of(kind: str, argument: Node) -> Turns:
    """The turns for a unit of x of an argument ``a x + b``, and those of b."""
    factor, shift = _line(argument)
    ends = _in_turns(factor)
    if ends[0] <= 0 <= ends[1]:
        raise NoFormula("a sine of a multiple of x that is not known")
    if shift is None:
        return Turns(*ends)
    rational = kind == "sin" and factor.value is not None and shift.value is not None
    zero = -shift.value / factor.value if rational else None  # type: ignore[operator]
    return Turns(*ends, _in_turns(shift), zero)


def _in_turns(constant: Node) -> tuple[Fraction, Fraction]:
    """A constant over 2 pi, between two numbers."""
    share = _over_pi(constant)
    if share is not None:
        if share.denominator & (share.denominator - 1):
            raise NoFormula("a sine with zeros at rational numbers that are none of the format")
        return share / 2, share / 2
    with working_bits(BITS):
        turns = evaluate(constant, arb(0), ENCLOSURES) / (2 * arb.pi())
        if not turns.is_finite():
            raise NoFormula("a sine of a multiple of x that is not known")
        return to_fraction(turns.lower()), to_fraction(turns.upper())


def _line(argument: Node) -> tuple[Node, Node | None]:
    """The constants a and b of an argument ``a x + b``; None for a b that is not there."""
    kind, parts = argument.operator, argument.arguments
    if kind == "variable":
        return ONE, None
    with_x = [part for part in parts if varies(part)]
    others = [part for part in parts if not varies(part)]
    if kind in ("neg", "*", "+") and len(with_x) == 1:
        factor, shift = _line(with_x[0])
        if kind == "+":
            return factor, build("+", *([] if shift is None else [shift]), *others)
        return build(kind, *others, factor), None if shift is None else build(kind, *others, shift)
    if kind == "/" and not others[1:] and with_x and with_x[0] is parts[0] and others:
        factor, shift = _line(with_x[0])
        return build("/", factor, others[0]), None if shift is None else build("/", shift, others[0])
    raise NoFormula(
        "a sine is reduced where it is one of a line, sin(3 * x + 1); nobody bounds how near the zeros of another one "
        "are to numbers, so give it on an interval, where(abs(x) < 3, sin(x^2), 0), perhaps with more segments"
    )


def _over_pi(factor: Node) -> Fraction | None:
    """What a constant is over pi, where it shows that it is a rational multiple."""
    kind, parts = factor.operator, factor.arguments
    if kind == "pi":
        return Fraction(1)
    if kind == "neg":
        inner = _over_pi(parts[0])
        return None if inner is None else -inner
    if kind == "/" and parts[1].value:
        inner = _over_pi(parts[0])
        return None if inner is None else inner / parts[1].value
    if kind == "*":
        numbers = [part.value for part in parts if part.value is not None]
        others = [part for part in parts if part.value is None]
        inner = _over_pi(others[0]) if len(others) == 1 else None
        if inner is not None:
            for value in numbers:
                inner *= value
            return inner
    return None


def varies(tree: Node) -> bool:
    """Whether a tree has x in it."""
    return any(node.operator == "variable" for node in tree.walk())
