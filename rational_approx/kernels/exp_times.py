"""``exp(u) (b + w)`` for negative u, in the format of its results: the tails of gelu, mish and of what decays alike.

What is added last has to be small beside something exact. So u, and the product of ``exp(u)`` and the base b, are
*products without an error*: ``a b`` is the sum of two numbers, of which the first one is exact. With fused operations
that is ``fl(a b)`` and ``fma(a, b, -fl(a b))``, which is what was lost (Dekker 1971). Without them a and b are cut into
parts of half of the digits: ``a b = a' b' + ((a - a') b + a' (b - b'))``, where ``a' b'`` is exact, and what is added
is small. For ``x^2`` the second part is ``(x - x') (x + x')``.

With ``u = n log(2) + r`` as in :mod:`kernels.sums`, r is the sum of an exact number and a small one, and r' a number
of half of the digits next to it:

    exp(r) = 1 + (r' + r'^2 / 2) + ((r - r') + (r - r') (r + r') / 2 + r^3 q(r)),

of which the first sum in brackets is exact, and the second one small. So ``exp(r)`` is a number p of half of the
digits, and a rest. The result is ``2^n (p b + (p w + rest (b + w)))``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import inf
from typing import NamedTuple

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.kernels.fine import chebyshev_points, rounded_polynomial
from rational_approx.kernels.kernel import Piece
from rational_approx.kernels.reductions import FIRST_BITS, LOG2, REDUCED
from rational_approx.kernels.scheme import Scheme
from rational_approx.kernels.sums import BITS
from rational_approx.programs.program import INPUT, Constant, Operand, Result, Step, Writer

__all__ = [
    "LOWEST",
    "PLACES",
    "REACHES",
    "ExpForm",
    "ExpTimes",
    "Exponent",
    "coefficients",
    "constants",
    "exponent",
    "short",
    "written",
]

DEGREES = {"float32": 4, "float64": 9}
"""The degree of q."""
LOWEST = {"float32": -112, "float64": -760}
"""Exponents u for which all is proved; below, results are 0."""
PLACES = {"float32": (5, 8), "float64": (16, 20)}
"""So many digits behind the point the first part of x has, in ``a x`` and in ``a x^2``."""
REACHES = {"float32": (2**7, 2**4), "float64": (2**10, 2**6)}
"""x is smaller than that."""


class Exponent(NamedTuple):
    """``u = (first + rest) x``, or ``first x^2``; without a rest the first factor is a power of two."""

    square: bool
    first: Fraction
    rest: Fraction = Fraction(0)

    @property
    def rate(self) -> Fraction:
        """The factor."""
        return self.first + self.rest


def _power_of_two(value: Fraction) -> bool:
    return value.numerator.bit_count() == 1 and value.denominator.bit_count() == 1


def short(value: Fraction, bits: int) -> Fraction:
    """The number with so many digits that is next to another one."""
    if not value:
        return value
    unit = Fraction(2) ** (abs(value.numerator).bit_length() - value.denominator.bit_length() - bits)
    while abs(value) >= unit * 2**bits:
        unit *= 2
    return round(value / unit) * unit


def exponent(square: bool, rate: Fraction, inner: str, scheme: Scheme) -> Exponent | None:
    """The exponent with a rate, in parts; None where there is none."""
    if _power_of_two(abs(rate)):
        return Exponent(square, rate)
    bits = FORMATS[inner][0]
    first = short(rate, bits if scheme.fma else bits // 2)
    rest = round_to(rate - first, inner)
    return None if square or not rest else Exponent(square, first, rest)


# -- the operations --------------------------------------------------------------------------------------------------


class Reduced(NamedTuple):
    """``exp(u) = 2^n (lead + off)``."""

    n: Operand
    lead: Operand
    off: Operand


@cache
def coefficients(inner: str) -> tuple[Fraction, ...]:
    """q of ``exp(r) = 1 + r + r^2 / 2 + r^3 q(r)``."""
    with working_bits(BITS):
        points = chebyshev_points(to_arb(-REDUCED), to_arb(REDUCED), 64)
        values = [((r.expm1() - r - r**2 / 2) / r**3).mid() for r in points]
        return rounded_polynomial(points, values, [(r**3).mid() for r in points], DEGREES[inner], inner)


def constants(inner: str, scheme: Scheme) -> tuple[Fraction, Fraction, Fraction]:
    """1/log(2), and log(2) in two parts."""
    if scheme.fma:
        first = round_to(LOG2, inner)
    else:
        first = Fraction(int(LOG2 * 2 ** FIRST_BITS[inner]), 2 ** FIRST_BITS[inner])
    return round_to(1 / LOG2, inner), first, round_to(LOG2 - first, inner)


def _nearest(writer: Writer, value: Operand, places: int, inner: str) -> Operand:
    """The multiple of ``2^-places`` next to a value."""
    magic = Constant(Fraction(3) * Fraction(2) ** (FORMATS[inner][0] - 2 - places))
    return writer.do("sub", writer.do("add", value, magic), magic)


def _halves(writer: Writer, square: bool, inner: str) -> tuple[Operand, Operand]:
    """x in two parts, the first one with few digits."""
    first = _nearest(writer, INPUT, PLACES[inner][square], inner)
    return first, writer.do("sub", INPUT, first)


def _product(writer: Writer, how: Exponent, inner: str) -> tuple[Operand, Operand | None]:
    """u as a product without an error: an exact number, and the rest."""
    do, factor = writer.do, Constant(how.first)
    if not how.square and not how.rest:
        return (INPUT if how.first == 1 else do("mul", INPUT, factor)), None
    if writer.fma:
        other: Operand = do("mul", INPUT, factor) if how.square else factor
        high = do("mul", INPUT, other)
        lost = do("fma", INPUT, other, do("mul", high, Constant(Fraction(-1))))
        return high, lost if how.square else do("fma", INPUT, Constant(how.rest), lost)
    first, rest = _halves(writer, how.square, inner)
    high = do("mul", do("mul", first, factor), first) if how.square else do("mul", first, factor)
    if how.square:
        return high, do("mul", do("mul", rest, factor), do("add", first, INPUT))
    return high, do("add", do("mul", rest, factor), do("mul", INPUT, Constant(how.rest)))


def _reduced(writer: Writer, how: Exponent, inner: str) -> Reduced:
    do, bits, top = writer.do, FORMATS[inner][0], FORMATS[inner][2]
    inverse, first, rest = constants(inner, Scheme(fma=writer.fma))
    high, lost = _product(writer, how, inner)
    magic = Constant(Fraction(3 * 2 ** (bits - 2) + (2 * (top - 1) if writer.fma else 0)))
    n = do("sub", writer.multiply_add(high, Constant(inverse), magic), magic)
    h = writer.multiply_sub(high, n, first)

    def with_rest(value: Operand) -> Operand:
        """With what is left of u and of n log(2)."""
        if lost is None:
            return writer.multiply_add(n, Constant(-rest), value)
        return do("add", value, writer.multiply_add(n, Constant(-rest), lost))

    r = with_rest(h)
    near = _nearest(writer, r, bits // 2, inner)
    left = with_rest(do("sub", h, near))
    exact = writer.multiply_add(do("mul", near, near), Constant(Fraction(1, 2)), near)
    cube = do("mul", do("mul", r, r), r)
    small = writer.multiply_add(cube, writer.polynomial(coefficients(inner), r), left)
    small = writer.multiply_add(left, do("mul", do("add", r, near), Constant(Fraction(1, 2))), small)
    few = _nearest(writer, do("add", exact, small), bits // 2 - 1, inner)
    lead = do("add", few, Constant(Fraction(1)))
    return Reduced(n, lead, do("add", do("sub", exact, few), small))


def _finished(
    writer: Writer, reduced: Reduced, base: Fraction | None, w: Operand | None, how: Exponent, inner: str
) -> Operand:
    """``exp(u) (b + w)``; without a base b is x, and without w there is none."""
    (n, lead, off), do = reduced, writer.do
    if base == 1 and w is None:
        return do("scale", do("add", lead, off), n)
    exact: Operand = INPUT if base is None else Constant(base)
    more, whole = w, exact
    if base is None and not writer.fma:
        exact, rest = _halves(writer, how.square, inner)
        more = rest if w is None else do("add", w, rest)
        whole = INPUT if w is None else do("add", exact, more)
    elif w is not None:
        whole = writer.contracted("add", w, exact)
    part = None if more is None else do("mul", lead, more)
    small = do("mul", off, whole) if part is None or not writer.fma else do("fma", off, whole, part)
    if part is not None and not writer.fma:
        small = do("add", part, small)
    total = do("fma", lead, exact, small) if writer.fma else do("add", do("mul", lead, exact), small)
    return do("scale", total, n)


def written(
    writer: Writer,
    how: Exponent,
    base: Fraction | None,
    inner: str,
    w: Callable[[Callable[[], Operand]], Operand | None],
) -> Operand:
    """The operations; ``w`` writes its own down, and may ask for ``exp(u)``."""
    reduced = _reduced(writer, how, inner)
    return _finished(writer, reduced, base, w(lambda: _exponential(writer, reduced)), how, inner)


def _exponential(writer: Writer, reduced: Reduced) -> Operand:
    return writer.do("scale", writer.do("add", reduced.lead, reduced.off), reduced.n)


@dataclass(frozen=True)
class ExpForm:
    """``exp(u) (b + x**times exp(decays u) R(variable))``; the variable is ``"e"``, which is exp(u), ``"1/x"``, or
    ``"x - c"`` with the centre c. Without a base b is x."""

    how: Exponent
    base: Fraction | None
    times: int
    variable: str
    decays: int = 0
    centre: Fraction = Fraction(0)

    def w(
        self, writer: Writer, e: Callable[[], Operand], top: Sequence[Fraction], bottom: Sequence[Fraction]
    ) -> Operand | None:
        """The operations of what is added to b; None where that is nothing."""
        if not top:
            return None
        variable: Operand = INPUT
        if self.variable == "e":
            variable = e()
        elif self.variable == "1/x":
            variable = writer.do("div", Constant(Fraction(1)), INPUT)
        elif self.variable == "x - c":
            variable = writer.do("sub", INPUT, Constant(self.centre))
        value = writer.polynomial(tuple(top), variable)
        if len(bottom) > 1:
            value = writer.do("div", value, writer.polynomial(tuple(bottom), variable))
        value = writer.do("mul", value, e()) if self.decays else value
        return writer.do("mul", value, INPUT) if self.times else value

    def piece(
        self, top: Sequence[Fraction], bottom: Sequence[Fraction], upper: float, inner: str, scheme: Scheme
    ) -> Piece:
        """The piece with the coefficients of its rational."""
        writer = scheme.writer()
        result = written(writer, self.how, self.base, inner, lambda e: self.w(writer, e, top, bottom))
        about = f"{self}, R of type ({len(top) - 1}, {len(bottom) - 1})"
        return Piece(upper, *writer.needed(result), about)

    def mirrored(self) -> "ExpForm":
        """That of the mirror image of an odd function's piece."""
        turned = self.how._replace(first=-self.how.first, rest=-self.how.rest)
        base = None if self.base is None else -self.base
        return replace(self, how=self.how if self.how.square else turned, base=base, centre=-self.centre)

    def __str__(self) -> str:
        name = f"{float(self.how.rate):g} x{'^2' if self.how.square else ''}"
        base = "x" if self.base is None else f"{float(self.base):g}"
        variable = f"x - {float(self.centre):g}" if self.variable == "x - c" else self.variable
        return f"e ({base} + {'x ' * self.times}{'e ' * self.decays}R({variable})), e = exp({name})"


# -- what a piece is -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExpTimes:
    """What a piece of this kind consists of.

    ``factor`` are the operations of ``b + w`` alone, in which ``exp(u)`` is the function exp of u.
    """

    how: Exponent
    base: Fraction | None
    scheme: Scheme
    factor: Piece
    more: bool

    @staticmethod
    def of(piece: Piece, inner: str, scheme: Scheme) -> "ExpTimes | None":
        """None where a piece is none of this kind."""
        if piece.result != Result(len(piece.steps) - 1) or piece.steps[-1].op != "scale":
            return None
        found = [which.value for _, names in piece.steps for which in names if isinstance(which, Constant)]
        if len(found) < 8:
            return None
        # Where the factor of x stands, and its rest.
        at, rest = (0, 3) if scheme.fma else (2, 4)
        candidates = [Exponent(True, found[at]), Exponent(False, found[at], found[rest])]
        candidates += [Exponent(False, found[0]), Exponent(False, Fraction(1))]
        for how in candidates:
            if how.rest or _power_of_two(abs(how.first)):
                known = _read(piece, how, inner, scheme)
                if known is not None:
                    return known
        return None


def _read(piece: Piece, how: Exponent, inner: str, scheme: Scheme) -> ExpTimes | None:
    writer = scheme.writer()
    reduced = _reduced(writer, how, inner)
    count, steps = len(writer.steps), piece.steps
    if tuple(writer.steps) != steps[:count]:
        return None
    value = Result(count + 1)
    asked = steps[count : count + 2] == (Step("add", reduced[1:]), Step("scale", (Result(count), reduced.n)))
    first = count + 2 if asked else count
    for base, w in _ends(steps, reduced, how, inner, scheme):
        # The steps between are those of w.
        stop = max(first, w.step + 1) if isinstance(w, Result) else first
        again = scheme.writer()
        for op, names in steps[:stop]:
            again.do(op, *names)
        result = _finished(again, reduced, base, w, how, inner)
        if (tuple(again.steps), result) != (steps, piece.result):
            continue
        return _factor(steps[first:stop], first, value if asked else None, (how, base, w, scheme))
    return None


def _ends(
    steps: tuple[Step, ...], reduced: Reduced, how: Exponent, inner: str, scheme: Scheme
) -> Iterator[tuple[Fraction | None, Operand | None]]:
    """What base and w may be, from where they stand in the last operations."""
    yield Fraction(1), None
    yield None, None
    bases = [which for _, names in steps[-4:] for which in names if isinstance(which, Constant)]
    products = [names[1] for op, names in steps if op == "mul" and names[0] == reduced.lead]
    for base in (None, *dict.fromkeys(which.value for which in bases)):
        for w in products:
            yield base, w
            if isinstance(w, Result) and steps[w.step].op == "add":
                yield base, steps[w.step].operands[0]


def _factor(
    middle: tuple[Step, ...],
    first: int,
    value: Operand | None,
    parts: tuple[Exponent, Fraction | None, Operand | None, Scheme],
) -> ExpTimes | None:
    how, base, w, scheme = parts
    writer, exact = Writer(fma=False), INPUT if base is None else Constant(base)
    place: dict[Operand, Operand] = {}
    if value is not None:
        u = writer.do("mul", INPUT, INPUT) if how.square else INPUT
        place[value] = writer.do("exp", writer.do("mul", u, Constant(how.rate)) if how.rate != 1 else u)
    for index, (op, names) in enumerate(middle):
        known = all(name in place for name in names if isinstance(name, Result))
        if not known or op not in ("add", "sub", "mul", "div", "fma"):
            return None
        writer.steps.append(Step(op, tuple(place.get(name, name) for name in names)))
        place[Result(first + index)] = Result(len(writer.steps) - 1)
    if w is None:
        return ExpTimes(how, base, scheme, Piece(inf, (), exact, ""), False)
    if isinstance(w, Result) and w not in place:
        return None
    writer.steps.append(Step("add", (place.get(w, w), exact)))
    return ExpTimes(how, base, scheme, Piece(inf, tuple(writer.steps), Result(len(writer.steps) - 1), ""), True)
