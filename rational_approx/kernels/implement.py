"""`implement`: from a function to code for every number of a format, with a proof over all of them."""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from typing import Any

from rational_approx import watch
from rational_approx.arithmetic.values import Value
from rational_approx.expressions.expression import Expression, parse
from rational_approx.expressions.nodes import FUNCTIONS
from rational_approx.kernels.about_zero import no_number
from rational_approx.kernels.code_facts import CodeFacts, code_facts
from rational_approx.kernels.code_values import code_values
from rational_approx.kernels.coefficient_formats import CoefficientFormats, coefficient_formats
from rational_approx.kernels.datapath import Datapath
from rational_approx.kernels.datapath_search import datapath_for
from rational_approx.kernels.enclosed import NotProved, enclosed_facts
from rational_approx.kernels.facts import Facts, TriedFacts, tried_facts
from rational_approx.kernels.fixed_point import FixedPoint, fixed_point
from rational_approx.kernels.identities import settled, uncancelled
from rational_approx.kernels.kernel import BRANCH, Kernel, NoKernel, operations
from rational_approx.kernels.numbers import ACCUMULATORS, INNER, KINDS
from rational_approx.kernels.same_format import kernel_in_itself
from rational_approx.kernels.scheme import PLAIN, SCHEMES, Scheme
from rational_approx.kernels.search import kernel_for
from rational_approx.kernels.settling import MARGIN
from rational_approx.kernels.truth import Truth, truth
from rational_approx.problem.prescribed import Prescribed, read_form
from rational_approx.rounding.quantize import Formats
from rational_approx.targets import gates, torch_activations

__all__ = ["FixedImplementation", "Implementation", "NoKernel", "asked", "asked_form", "implement"]

SEGMENTS, MORE, OWN, TABLE = 4, 10, 8, 16
"""At most so many pieces between the tails where nothing is asked: of floats, and where these do not suffice; on each
side where code calculates in its own format; and rows of a table in fixed point."""
SLACK = (Fraction(0), Fraction(1, 32), Fraction(1, 8))
"""Shares of the error before the last rounding that are kept in hand, one after the other, in the format itself."""
SHORTER: dict[str, tuple[str, ...]] = {
    "float32": ("bfloat16", "float16"),
    "float64": ("bfloat16", "float16", "float32"),
}
"""Formats of coefficients, by that of the operations."""
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
            f"  {self.operations} operations in {len(self.kernel.pieces)} pieces, {self.longest} in the longest"
            f"{self.kernel.scheme}",
        ]
        for piece in self.kernel.pieces:
            lines.append(
                f"  ({lower:g}, {piece.upper:g}]: {piece.about}, {operations(piece, self.kernel.functions)} operations"
            )
            lower = piece.upper
        return "\n".join(lines)


@dataclass(frozen=True)
class FixedImplementation(Implementation):
    """Fixed-point code for a function: a datapath of integers, and what is proved of it at every code of its format."""

    kernel: Datapath  # type: ignore[assignment]  # in the place of floating-point operations
    facts: CodeFacts  # type: ignore[assignment]

    @property
    def operations(self) -> int:
        """One-bit adders and bits of the table, about; see `Datapath.cost`."""
        return self.kernel.cost

    @property
    def longest(self) -> int:
        """The products that are taken one after the other."""
        return self.kernel.degree

    def __str__(self) -> str:
        found, path = self.facts, self.kernel
        point = path.point
        moved = "some are saturated" if path.saturates else "none has to be saturated"
        lines = [
            f"{self.name} in {path.format}, proved at all {found.inputs} inputs: error <= {float(found.ulp):.6f} ulp "
            f"of 2^-{point.fraction} (asked: {float(self.wanted):g})",
            f"  nearest number at {found.correct}, less than one ulp away at {found.faithful}; "
            f"turns against the function: {found.turns}",
            f"  outputs from {float(found.lowest)!r} to {float(found.highest)!r}; {moved}",
            f"  {len(path.rows)} rows, degree {path.degree}, {path.guard} guard bits; t has {found.widths['t']} bits, "
            f"the widest integer {max(found.widths.values())}; cost {path.cost}",
        ]
        lower = point.lowest
        for row in path.rows:
            ends = (float(point.number(code)) for code in (lower, row.upper))
            lines.append("  [{!r}, {!r}]: {}".format(*ends, row.about))
            lower = row.upper + 1
        return "\n".join(lines)


def implement(
    target: object,
    *,
    format: str = "bfloat16",
    error: object = "1 ulp",
    accumulate: str | None = None,
    segments: int | None = None,
    scheme: str = "horner",
    fma: bool = False,
    flush: bool = False,
    coefficients: Formats | CoefficientFormats | None = None,
    constraints: Any = None,
    progress: watch.Listener | None = None,
    time_limit: float | None = None,
) -> Implementation:
    """Code for a function at **all** numbers of a format, with a proof over every one of them.

    Inputs and outputs are in the format, operations in a wider one, and the result is rounded once; of float64, and
    where it is asked of float32, operations are in the format itself, and the last one rounds to it. In fixed point the
    operations are those of integers, and the result is a `FixedImplementation`.

    Parameters
    ----------
    target:
        An expression in x, the name of a gate, a gate, or a ``torch.nn`` activation. Of floats it may have
        no real value at some numbers, where the code gives NaN.
    format:
        ``"bfloat16"`` or ``"float16"``, of which every number is tried, or ``"float32"`` or ``"float64"``, proved by
        intervals. Or
        fixed point: ``"fixed4.12"`` has 4 integer bits, the sign among them, and 12 fraction bits in two's complement;
        up to 20 bits in all, since every input is tried.
    error:
        The largest error, in units in the last place of the format: ``"1 ulp"``, or a number above 0.5.
    accumulate:
        The format of the operations: ``"float32"`` for the formats of 16 bits, ``"float64"`` for float64 and, where
        nothing is given, for float32, which may have ``"float32"`` as well.
    segments:
        At most so many pieces between the two tails, which are constants or lines: 4 where nothing is given, or 10
        where these do not suffice, 8 on each side where operations are in the format itself, and 16 in fixed point,
        where they are rows of a table.
    scheme:
        In which order polynomials are evaluated: ``"horner"``, with the fewest operations, or ``"estrin"``, of which
        more can be done at the same time; or ``"barycentric"``, rationals by their values at nodes, which takes about
        twice the operations.
    fma:
        Whether a product and a sum are one operation, rounded once (fused multiply-add).
    flush:
        Whether all that is proved shall also hold on machines that replace subnormal operands, results, or both by
        zero. There 0 is right where f(x) is below ``2^-126``, and what is right at 0 where x is.
    coefficients:
        A format shorter than that of the operations, in which every coefficient is to be: ``"bfloat16"`` or
        ``"float16"``, for float32 also ``"float32"``. Or formats by coefficient, that of the lowest power first, the
        last one for all further ones: ``("float32", "bfloat16")``; and by side, ``{"P": ("float32", "bfloat16"), "Q":
        "bfloat16"}``. They are found together, not rounded one by one. Those of the exponential and other reductions,
        and of its argument, stay as they are.
    constraints:
        What the piece about zero has to be, as :func:`rational_approx.fit` takes it in place of a degree: lists of
        coefficients of P and Q in powers of x, lowest first, a number for one that is fixed and None for one to find;
        or a degree for one of them. ``([0, 1, 0, None, 0, None], 0)`` is ``x + c3 x^3 + c5 x^5``. With
        exact operations the code has that form; fixed coefficients are numbers of the format of the operations.
    progress, time_limit:
        See :func:`rational_approx.fit`.

    Raises
    ------
    ValueError
        for a format, an error or a target that makes no sense, or a target that has values on more than four intervals,
        or in fixed point none at some number.
    NoKernel
        where nothing within that error was found; the message says what to try.

    >>> found = implement("tanh", format="bfloat16")
    >>> found.facts.ulp <= 1, found.facts.inputs, found.facts.turns
    (True, 65280, 0)
    >>> found = implement("tanh", format="fixed2.6")
    >>> found.facts.ulp <= 1, found.facts.inputs
    (True, 256)
    """
    expression, name = _target(target)
    point = fixed_point(format)
    given, (wanted, segments) = segments, asked(format, error, accumulate, segments)
    how = asked_scheme(format, scheme, fma, flush, coefficients, constraints)
    with watch.watched(progress, time_limit):
        try:
            if point is not None:
                return _in_fixed_point(expression, name, point, wanted, segments)
            if format == (accumulate or INNER[format]):
                if how.coefficients or how.form or how.order == "barycentric":
                    raise ValueError(
                        f"code for {format} that calculates in {format} is proved in Horner's and Estrin's order, with "
                        "coefficients of the format: leave coefficients=, constraints= and scheme='barycentric' out"
                    )
                return _in_itself(expression, name, format, wanted, segments, how)
            known = truth(expression, format)
            with suppress(NoKernel):
                return _best(expression, name, known, wanted, segments, how)
            return _best(expression, name, known, wanted, given or MORE, how, finest=True)
        except watch.OutOfTime:
            raise NoKernel("the time was over before code was found: raise time_limit=") from None


def asked(
    format: str, error: object, accumulate: str | None = None, segments: int | None = None
) -> tuple[Fraction, int]:
    """The wanted error in units in the last place, and the number of pieces; ValueError for a question to `implement`
    that makes no sense."""
    point = fixed_point(format)
    if point is None and format not in INNER:
        raise ValueError(f"format must be one of {', '.join(INNER)}, or fixed point such as fixed4.12, not {format!r}")
    if point is not None and accumulate is not None:
        raise ValueError(
            "fixed-point code calculates with integers of the widths that they need: leave accumulate= out"
        )
    if point is None and accumulate not in (None, *ACCUMULATORS[format]):
        raise ValueError(
            f"code for {format} calculates in {' or '.join(ACCUMULATORS[format])}, not in {accumulate!r}: leave "
            "accumulate= out"
        )
    usual, most = (SEGMENTS, 16) if point is None else (TABLE, 64)
    if point is None and format == (accumulate or INNER[format]):
        usual = OWN
    segments = usual if segments is None else segments
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= most:
        raise ValueError(f"segments must be an integer from 1 to {most}, not {segments!r}")
    return _ulps(error), segments


def asked_scheme(
    format: str,
    scheme: str,
    fma: bool,
    flush: bool,
    coefficients: Formats | CoefficientFormats | None = None,
    constraints: Any = None,
) -> Scheme:
    """The scheme that is asked of `implement`; ValueError for one that makes no sense."""
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be {' or '.join(map(repr, SCHEMES))}, not {scheme!r}")
    if not (isinstance(fma, bool) and isinstance(flush, bool)):
        raise ValueError(f"fma= and flush= are True or False, not {fma!r} and {flush!r}")
    short = None if coefficients is None else coefficient_formats(coefficients)
    form = None if constraints is None else asked_form(constraints)
    how = Scheme(scheme, fma, flush, short, form)
    inner = INNER.get(format, "")  # none in fixed point
    shorter: tuple[str, ...] = SHORTER.get(inner, ())
    if short is not None:
        given = {*short.top, *short.bottom}
        if not given <= {*shorter, inner} or not given & {*shorter}:
            raise ValueError(
                "coefficients= is a format shorter than that of the operations, "
                f"{' or '.join(shorter) or 'none here'}, or several of which one is, not {str(short)!r}"
            )
    if fixed_point(format) is not None and how != PLAIN:
        raise ValueError(
            "fixed-point code is one polynomial of integers: leave scheme=, fma=, flush= and constraints= out"
        )
    if scheme == "barycentric":
        _check_barycentric(how, format)
    wrong = None if form is None else no_number(form, inner)
    if wrong is not None:
        raise ValueError(f"the fixed coefficient {wrong} is no number of {inner}, in which the code calculates")
    return how


def _check_barycentric(how: Scheme, format: str) -> None:
    """ValueError for what the barycentric form cannot be had with."""
    if how.coefficients is not None or how.form is not None:
        raise ValueError(
            "the barycentric form has values, nodes and weights, and no coefficients of powers: leave coefficients= "
            "and constraints= out, or take scheme='horner'"
        )
    if how.flush and format not in KINDS:
        raise ValueError(
            f"the barycentric form in {format} is not proved for machines that flush, since differences from nodes may "
            "be subnormal: leave flush= out, or take scheme='horner'"
        )


def asked_form(constraints: Any) -> Prescribed:
    """The form of the piece about zero that is asked of `implement`; ValueError for one without sense."""
    form = read_form(constraints)
    if form is None:
        raise ValueError(
            "constraints= are those that fit takes in place of a degree, lists of coefficients of P and Q such as "
            f"([0, 1, 0, None], 0), not {constraints!r}"
        )
    return form


def _in_fixed_point(
    expression: Expression, name: str, point: FixedPoint, wanted: Fraction, segments: int
) -> FixedImplementation:
    known = code_values(expression, point)
    path = datapath_for(known, float(wanted), segments)
    return FixedImplementation(expression.text, name, path, code_facts(path, known), wanted, segments)


def _in_itself(
    expression: Expression, name: str, format: str, wanted: Fraction, segments: int, scheme: Scheme
) -> Implementation:
    stated, expression = expression, replace(expression, tree=uncancelled(expression.tree))
    if gates.find(name) is None:  # a gate keeps its formula
        stated = expression
    trouble: ArithmeticError | None = None
    for share in SLACK:
        # Pieces are looked at in some places: between them the bound may be a little larger.
        try:
            kernel = kernel_in_itself(expression, format, wanted - share * (wanted - Fraction(1, 2)), segments, scheme)
            found = enclosed_facts(kernel, expression, wanted)
            return Implementation(stated.text, name, kernel, found, wanted, segments)
        except (NoKernel, NotProved) as problem:
            trouble = trouble or problem
    raise NoKernel(str(trouble))


def _best(
    expression: Expression,
    name: str,
    known: Truth,
    wanted: Fraction,
    segments: int,
    scheme: Scheme,
    finest: bool = False,
) -> Implementation:
    cuts = tuple(float(cut) for cut in expression.breakpoints(-inf, inf))
    best: Implementation | None = None
    trouble: ArithmeticError | None = None
    for share in FINER:
        room = float(wanted - Fraction(1, 2)) * MARGIN * share
        try:
            kernel = kernel_for(known, cuts, room, float(wanted), segments, scheme, finest=finest)
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
        return _settled(target), target.text
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
    words = " ".join(target.split())  # it stands on one line of the code
    return _settled(parse(words)), words


def _settled(target: Expression) -> Expression:
    return replace(target, tree=settled(target.stable.tree))


def _ulps(error: object) -> Fraction:
    words = re.fullmatch(r"\s*([0-9./eE+-]+)\s*(?:ulps?)?\s*", str(error))
    try:
        value = Fraction(words[1]) if words else Fraction(0)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not Fraction(1, 2) < value <= 1000:
        raise ValueError(f"error= is a number of ulp above 0.5, such as '1 ulp' or 0.52, not {error!r}")
    return value
