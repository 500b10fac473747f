"""Sine and cosine of code, for every number x of a format: ``sin(a x + b)``, reduced by whole turns (Payne & Hanek
1983).

``a / (2 pi)``, the turns for a unit of x, is cut into parts of so few bits that their products with x are exact. Of
each product only what lies beside an integer counts: ``t - round(t)``, exact as well. So the sum of these remainders is
known relative to itself, however large x is, and from it the nearest half-turn is taken: ``sin(a x) = (-1)^n sin(2 pi
f)`` with f in turns, ``abs(f) <= 1/4``, and ``f p(f^2)`` in the place of the sine. The cosine is a quarter of a turn
ahead.

A shift b is added in two parts of ``b / (2 pi)``, without its whole turns: one of few bits, first, from which
half-turns are taken off exactly, and what is left, last.

How small f can be, for numbers of a format, say continued fractions: of all ``abs(m r - n)`` with an integer m up to a
bound the least belongs to a convergent of r. With a shift :mod:`kernels.nearest` says it.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from flint import arb

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.fitting.front import fit
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.nearest import least_shifted
from rational_approx.kernels.numbers import INNER
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.series import gap, polynomial_error, read_scheme
from rational_approx.programs.program import INPUT, Constant, Operand

__all__ = [
    "BITS",
    "Turns",
    "exponent_of",
    "grain_of",
    "least_distance",
    "least_sine",
    "sine",
    "sine_degree",
    "sine_error",
]

BITS = 1400
"""Numbers of float64 reach to 2^1024, and their products with what is left of a constant are to be small."""
QUARTER = Fraction(2501, 10000)
"""A little more than a quarter: the half-turn is chosen by a rounded sum."""
DEGREES = {"float32": 5, "float64": 8}
"""The largest degree of p."""


@dataclass(frozen=True)
class Turns:
    """``a / (2 pi)`` for the sine of ``a x + b``: between two numbers, which are equal where it is known exactly; and
    ``shift``, the same of ``b / (2 pi)``. At ``zero`` the sine of a rational line is 0: the one number that is not
    proved."""

    low: Fraction
    high: Fraction
    shift: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    zero: Fraction | None = None


@cache
def _coefficients(degree: int, inner: str) -> tuple[tuple[Fraction, ...], float]:
    """p in a format, near-best relative to the sine, and its error."""
    best = fit("sin(2 * pi * x)", (2 * degree + 1, 0), (-QUARTER, QUARTER), weight="relative")
    return best.rounded(inner, "monomial").numerator[1::2], float(best.error)


def sine_degree(error: float, inner: str) -> int:
    """The least degree of p whose relative error is below a bound."""
    most = DEGREES[inner]
    return next((d for d in range(1, most) if _coefficients(d, inner)[1] <= error), most)


def sine(name: str, turns: Turns, degree: int, format: str, scheme: Scheme = PLAIN) -> Function:
    """The operations of a sine or a cosine, by the beginning of its name, for numbers of a format."""
    p, _ = _coefficients(degree, INNER[format])
    return _written(name, _parts(turns, format), _shift(turns, format), p, format, scheme)


def _bits(format: str) -> int:
    """How many bits a part has: with those of x one less than the products may have."""
    return FORMATS[INNER[format]][0] - FORMATS[format][0] - 2


def _parts(turns: Turns, format: str) -> tuple[Fraction, ...]:
    """``a / (2 pi)`` as a sum: parts of few bits, and the rest as a number of the wider format."""
    bits, digits = _bits(format), FORMATS[format][0]
    rest, top = (turns.low + turns.high) / 2, FORMATS[format][2]
    unit, out = Fraction(2) ** exponent_of(rest), []
    # The last part is rounded, relative to what x times it is; zeros are seldom nearer than 2^-digits to a number.
    while rest and unit * Fraction(2) ** (top + 2 * digits + 20) > Fraction(2) ** FORMATS[INNER[format]][0]:
        unit /= 2**bits
        out.append(int(rest / unit) * unit)
        rest -= out[-1]
    last = round_to(rest, INNER[format])
    return (*out, last) if last else tuple(out)


def _shift(turns: Turns, format: str) -> tuple[Fraction, ...]:
    """``b / (2 pi)`` without whole turns, in two parts; none without a shift."""
    if not any(turns.shift):
        return ()
    middle = (turns.shift[0] + turns.shift[1]) / 2
    middle -= round(middle)
    first = Fraction(round(middle * 2 ** _bits(format)), 2 ** _bits(format))
    rest = round_to(middle - first, INNER[format])
    return (first, rest) if rest else (first,)


def exponent_of(value: Fraction) -> int:
    """The least k with ``abs(value) < 2**k``."""
    k = abs(value.numerator).bit_length() - value.denominator.bit_length()
    return k if abs(value) < Fraction(2) ** k else k + 1


def _large(part: Fraction, format: str) -> bool:
    """Whether a product of x with it may be a quarter of a turn or more."""
    return abs(part) * 2 ** FORMATS[format][2] >= Fraction(1, 4)


def _written(
    name: str,
    parts: tuple[Fraction, ...],
    shift: tuple[Fraction, ...],
    p: tuple[Fraction, ...],
    format: str,
    scheme: Scheme,
) -> Function:
    writer, half = scheme.writer(), Constant(Fraction(1, 2))
    left: list[Operand] = []
    for part in parts:
        t = writer.do("mul", INPUT, Constant(part))
        left.append(writer.do("sub", t, writer.do("round", t)) if _large(part, format) else t)
    moved = [Constant(part) for part in shift]
    left = [*moved[:1], *left, *moved[1:]]
    total = left[0]
    for each in left[1:]:
        total = writer.do("add", total, each)
    double = writer.do("add", total, total)
    ahead = name.startswith("cos")
    n = writer.do("round", writer.do("add", double, half) if ahead else double)
    turn = writer.do("mul", n, half)
    f = writer.do("sub", left[0], writer.do("sub", turn, Constant(Fraction(1, 4))) if ahead else turn)
    for each in left[1:]:
        f = writer.do("add", f, each)
    odd = writer.do("sub", turn, writer.do("round", turn))  # 0, or half a turn of either sign
    sign = writer.multiply_sub(Constant(Fraction(1)), writer.do("mul", odd, odd), Fraction(8))
    value = writer.do("mul", writer.polynomial(p, writer.do("mul", f, f)), f)
    value = writer.do("mul", value, sign)
    beside = f" and {len(shift)} of b / (2 pi)" if shift else ""
    about = f"(-1)^n f p(f^2), f in turns, {len(parts)} parts of a / (2 pi){beside}, p of degree {len(p) - 1}"
    return Function(name, tuple(writer.steps), value, about)


# -- the proof -------------------------------------------------------------------------------------------------------


def least_distance(turns: Turns, exponent: int, digits: int, ahead: bool = False) -> Fraction:
    """A bound from below of the distance of ``m 2**exponent a / (2 pi)`` from quarters of turns, for m from 1 to
    ``2**digits - 1``; 0 where it may be one. With a shift that from the zeros of the sine, or of the cosine if
    ``ahead``."""
    if any(turns.shift):
        low, high = (end + Fraction(ahead, 4) for end in turns.shift)
        return least_shifted((turns.low, turns.high), (low, high), exponent, digits, turns.zero)
    low, high = (4 * side * Fraction(2) ** exponent for side in (turns.low, turns.high))
    least, most = min(abs(low), abs(high)), max(abs(low), abs(high))
    if most * 2**digits <= Fraction(1, 2):
        return least / 4
    p, q = _convergent((least + most) / 2, 2**digits)
    return max(abs(q * (least + most) / 2 - p) - q * (most - least), Fraction(0)) / 4


def _convergent(x: Fraction, bound: int) -> tuple[int, int]:
    """The last convergent p/q of a number whose denominator is below a bound."""
    before, now = (1, 0), (int(x), 1)
    rest = x - now[0]
    while rest:
        rest = 1 / rest
        a = int(rest)
        rest -= a
        before, now = now, (a * now[0] + before[0], a * now[1] + before[1])
        if now[1] >= bound:
            return before
    return now


@cache
def least_sine(kind: str, turns: Turns, format: str) -> Fraction:
    """A bound from below of ``abs(sin(a x))``, or of that of the cosine, where it is not 0, for all numbers x but 0."""
    digits, smallest, top = FORMATS[format]
    if turns.low == turns.high and turns.shift[0] == turns.shift[1]:  # multiples of powers of two, as the distance
        lasts = [grain_of(turns.low) * Fraction(2) ** smallest, *map(grain_of, filter(None, turns.shift))]
        return 4 * min(*lasts, Fraction(1, 4))
    most, every = max(abs(turns.low), abs(turns.high)) * 2**digits, []
    for k in range(smallest, top - digits + 1):
        # Where the argument is small the cosine is far from its zeros.
        small = kind == "cos" and most * Fraction(2) ** k < Fraction(1, 8) and not any(turns.shift)
        every.append(Fraction(1, 8) if small else least_distance(turns, k, digits, kind == "cos"))
    return 4 * min(every)  # the sine of 2 pi f is 4 f at least


@cache
def sine_error(function: Function, turns: Turns, format: str) -> Fraction:
    """A bound of ``abs(E(x) / sin(a x) - 1)``, or of that of the cosine, for every number x of the format.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`sine`, or f is not known well enough.
    """
    parts, shift, p, scheme = _read(function, format)
    digits, smallest, top = FORMATS[format]
    ahead, inner = function.name.startswith("cos"), FORMATS[INNER[format]][0]
    off = max(_reduced(parts, shift, turns, format, k, ahead) for k in range(smallest, top - digits + 1))
    with working_bits(BITS):
        share = arb(2) ** -inner
        reach = to_arb(QUARTER) ** 2
        # sin(2 pi f) / f as a series in f^2; it falls, and is nearly 4 at the end.
        turn, series = 2 * arb.pi(), []
        for k in range(24):
            series.append((-1) ** k * turn ** (2 * k + 1) / arb(2 * k + 1).gamma() / (2 * k + 1))
        rest = abs(series[-1]) * reach ** (len(series) - 1)
        least = (turn * to_arb(QUARTER)).sin() / to_arb(QUARTER)
        polynomial = (gap(p, series, rest, reach) + polynomial_error(p, reach, share, share, scheme)) / least
        # f is off by a share of itself, and so is the sine at most; two products, the last one exact but for its sign
        total = (1 + polynomial) * (1 + to_arb(off) * (1 + arb(2) ** -20)) * (1 + share) ** 2 - 1
        return to_fraction(total.upper()) * (1 + Fraction(1, 2**20))


Parts = tuple[Fraction, ...]


def _read(function: Function, format: str) -> tuple[Parts, Parts, Parts, Scheme]:
    # The constants of the operations, which written down again must give the same operations.
    steps = function.steps
    parts = [names[1].value for op, names in steps if names[0] == INPUT and isinstance(names[1], Constant)]
    doubled = next((k for k, (op, names) in enumerate(steps) if op == "add" and names[0] == names[1]), 0)
    sums = [names for op, names in steps[:doubled] if op == "add"]
    shift = tuple(which.value for names in sums for which in names if isinstance(which, Constant))
    squares = [k for k, (op, names) in enumerate(steps) if op == "mul" and names[0] == names[1]]
    after = steps[squares[1] + 1 :] if len(squares) > 1 else ()  # the first one is that of half a turn
    found = [which.value for _, names in after for which in names if isinstance(which, Constant)]
    for scheme, p in read_scheme(function, found):
        again = _written(function.name, tuple(parts), shift, p, format, scheme)
        if (again.steps, again.result) == (steps, function.result):
            return tuple(parts), shift, p, scheme
    raise ArithmeticError(f"the operations of {function.name} are not those of a sine with its reduction")


def _reduced(parts: Parts, shift: Parts, turns: Turns, format: str, exponent: int, ahead: bool) -> Fraction:
    """A bound of the error of f, relative to it, for all ``m 2**exponent`` with m below ``2**digits``."""
    digits, _, _ = FORMATS[format]
    inner, unit = FORMATS[INNER[format]][0], Fraction(2) ** exponent
    share, most = Fraction(1, 2**inner), unit * 2**digits
    remain: list[Fraction] = []  # how large what is left of each product may be
    lasts: list[Fraction] = []  # of what power of two it is a multiple
    slip = most * max(abs(sum(parts) - turns.low), abs(sum(parts) - turns.high))
    for k, part in enumerate(parts):
        size, last = abs(part) * most, unit * grain_of(part)
        if abs(part) * Fraction(2) ** FORMATS[format][1] < Fraction(2) ** (FORMATS[INNER[format]][1] + inner):
            raise ArithmeticError("a product with a part may be subnormal")
        if size > last * 2**inner:  # only the last part's product is rounded
            if k < len(parts) - 1 or _large(part, format):
                raise ArithmeticError("a product with a part is not exact")
            slip += share * size
            last = Fraction(0)
        if _large(part, format):
            if size >= 2 ** (inner - 2) and last < 1:
                raise ArithmeticError("a product is too large for its remainder")
            size = min(size, Fraction(1, 2)) if last < 1 else Fraction(0)
        remain.append(size)
        lasts.append(last)
    if shift:
        whole = round(sum(turns.shift) / 2 - sum(shift))
        slip += max(abs(sum(shift) + whole - end) for end in turns.shift)
        remain = [abs(shift[0]), *remain, *map(abs, shift[1:])]
        lasts = [grain_of(shift[0]) or Fraction(1), *lasts, *map(grain_of, shift[1:])]
    if Fraction(len(remain) + 1) * share * (sum(remain) + 2) + slip > QUARTER - Fraction(1, 4):
        raise ArithmeticError("the half-turn is not known well enough")
    # f is what is left with half-turns taken off: each sum rounds what it gives, unless that is short enough.
    ends, own, exact = Fraction(1, 4), Fraction(0), True
    for k in range(len(remain)):
        ends = min(ends, lasts[k])
        rest = sum(remain[k + 1 :], slip)
        exact = exact and ends > 0 and QUARTER + rest <= ends * 2**inner
        if not exact:
            slip += share * rest * (1 + len(remain) * share)
            own += share * (1 + len(remain) * share)
    if not slip:
        return own
    small = most * max(abs(turns.low), abs(turns.high)) < Fraction(1, 8) and not shift
    if small and not ahead:  # nothing is taken off, and all of this is in proportion to x
        least = most * min(abs(turns.low), abs(turns.high))
    else:
        least = Fraction(1, 8) if small else least_distance(turns, exponent, digits, ahead)
    if not least:
        raise ArithmeticError("numbers of the format may be too near to a zero")
    return own + slip / least


def grain_of(part: Fraction) -> Fraction:
    """The largest power of two of which a number is a multiple."""
    return Fraction(part.numerator & -part.numerator, part.denominator)
