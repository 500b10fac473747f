"""Sine and cosine of ``a x`` for code that calculates in the format of its results.

As in :mod:`kernels.sines`, ``a / (2 pi)`` is cut into parts, and of each product with x only what lies beside an
integer counts. Here x is cut as well, into halves of half of the digits (Veltkamp; Dekker 1971), so that all products
are exact. Their remainders are added from the largest on, after the nearest quarter of a turn was taken off; what a sum
loses is another number (Dekker), and these numbers are added up. So f, of at most an eighth of a turn,
is a sum of two numbers, known far beyond the digits of the format.

The last operation adds something small to something exact:

- ``sin(2 pi f)`` begins with ``b = f' p``, f' and p being f and 2 pi with half of the digits, whose product is exact.
  With ``r = b + d`` the rest is ``d + r^3 S(r^2)``.
- ``cos(2 pi f)`` begins with ``1 - c^2 / 2``, c being r to so few places that this is exact. With ``e = r - c`` the
  rest is ``r^4 C(r^2) - e (c + e / 2)``.

Which of the two, and with which sign, is a product with 0, 1 or -1.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from flint import arb, arb_poly

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.kernels.fine import chebyshev_points, rounded_polynomial
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.running import Ranged, Running, product
from rational_approx.kernels.scheme import ORDERS, PLAIN, Scheme
from rational_approx.kernels.sines import Turns, exponent_of, grain_of, least_distance
from rational_approx.kernels.sums import Errors, Part, worst_of
from rational_approx.programs.program import INPUT, Constant, Operand, Result, Step, Writer

__all__ = ["MODERATE", "own_sine", "own_sine_error", "reach_for"]

MODERATE = {"float32": 13, "float64": 30}
"""Up to that power of two fewer parts are enough."""
DEGREES = {"float32": (3, 2), "float64": (5, 5)}
"""Degrees of S and of C."""
REACH = Fraction(1025, 8192)
"""A little more than an eighth of a turn: the quarter is chosen by a rounded sum."""
BITS = 240
PARTS = 64
AT_MOST = Fraction(1, 2**12)
"""What f lacks, and is added to what lies behind its first half, is at most so large, relative to f."""


# -- the operations --------------------------------------------------------------------------------------------------


@cache
def _coefficients(inner: str) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """S and C in a format, near-best relative to ``r^2`` and to ``r^4``."""
    with working_bits(BITS):
        reach = (2 * arb.pi() * to_arb(REACH)) ** 2
        points = chebyshev_points(arb(0), reach, 64)
        roots = [z.sqrt() for z in points]
        s = [((r.sin() - r) / r**3).mid() for r in roots]
        c = [((r.cos() - 1 + z / 2) / z**2).mid() for r, z in zip(roots, points)]
        degrees = DEGREES[inner]
        return (
            rounded_polynomial(points, s, points, degrees[0], inner),
            rounded_polynomial(points, c, [(z**2).mid() for z in points], degrees[1], inner),
        )


def own_sine(name: str, turns: Turns, format: str, reach: int, scheme: Scheme = PLAIN) -> Function:
    """The operations of a sine or a cosine, by the beginning of its name, for numbers up to ``2**reach``."""
    shift = 0 if reach < FORMATS[format][2] else _scaled(format)
    parts = _parts(turns, format, reach, shift)
    s, c = _coefficients(format)
    large = tuple(abs(part) * Fraction(2) ** (reach - shift) >= Fraction(1, 4) for part in parts[:-1])
    about = (
        f"sin(r) or cos(r) with a sign, r = 2 pi f, f in turns, {len(parts)} parts of a / (2 pi), polynomials of "
        f"degree {len(s) - 1} and {len(c) - 1}, for abs(x) up to 2^{reach}"
    )
    return Function(name, *_written(name, shift, parts, large, format, scheme), about)


def reach_for(largest: Fraction, format: str) -> int:
    """The power of two up to which a function is made for numbers up to a size."""
    return MODERATE[format] if largest <= Fraction(2) ** MODERATE[format] else FORMATS[format][2]


def _scaled(format: str) -> int:
    """x is scaled by this power of two, where halves of it would be too large, or parts too small."""
    return 5 * FORMATS[format][2] // 8


def _halves(digits: int) -> tuple[int, int]:
    """How many digits the second half of a number has, at most, and a part."""
    return (digits + 1) // 2, (digits - 1) // 2


def _turn(format: str) -> tuple[Fraction, ...]:
    """2 pi as a number of few digits and another one, and as one number."""
    with working_bits(BITS):
        turn = to_fraction((2 * arb.pi()).mid())
    place = Fraction(2) ** (_halves(FORMATS[format][0])[1] - 3)
    first = round(turn * place) / place
    return first, round_to(turn - first, format), round_to(turn, format)


def _parts(turns: Turns, format: str, reach: int, shift: int) -> tuple[Fraction, ...]:
    """``a / (2 pi)`` as a sum, times ``2**shift``: parts of few digits, and the rest, if any, as one number."""
    digits = FORMATS[format][0]
    bits, middle = _halves(digits)[1], (turns.low + turns.high) / 2
    rest, unit, out = middle, Fraction(2) ** exponent_of(middle), list[Fraction]()
    exact = turns.low == turns.high
    least = (
        Fraction(0) if exact else min(_nearest(turns, k, digits) for k in range(reach + (reach < FORMATS[format][2])))
    )
    while rest and abs(rest) * Fraction(2) ** (reach + 1) > least * AT_MOST / 8:
        unit /= 2**bits
        if part := int(rest / unit) * unit:
            out.append(part * Fraction(2) ** shift)
        rest -= part
    last = round_to(rest * Fraction(2) ** shift, format)
    return (*out, last) if last else (*out, Fraction(0))


def _written(
    name: str, shift: int, parts: tuple[Fraction, ...], large: tuple[bool, ...], format: str, scheme: Scheme
) -> tuple[tuple[Step, ...], Operand]:
    writer, digits = scheme.writer(), FORMATS[format][0]
    x = writer.do("mul", INPUT, Constant(Fraction(1, 2**shift))) if shift else INPUT
    halves = _split(writer, x, digits)
    left: list[Operand] = []
    for part, whole in zip(parts, large):
        for half in halves:
            t = writer.do("mul", half, Constant(part))
            left.append(writer.do("sub", t, writer.do("round", t)) if whole else t)
    last = writer.do("mul", x, Constant(parts[-1])) if parts[-1] else None
    total = left[0]
    for each in left[1:]:
        total = writer.do("add", total, each)
    n = writer.do("round", writer.do("mul", total, Constant(Fraction(4))))
    f, lost = _sums(writer, writer.do("sub", left[0], writer.do("mul", n, Constant(Fraction(1, 4)))), left[1:])
    less, least = _sums(writer, lost[0], lost[1:])
    f, less = _two_sums(writer, f, less)
    for each in least if last is None else (*least, last):
        less = writer.do("add", less, each)
    base, sine, first, cosine = _both(writer, f, less, format)
    of_sine, of_cosine = _signs(writer, n, name.startswith("cos"))
    exact = writer.do("add", writer.do("mul", base, of_sine), writer.do("mul", first, of_cosine))
    small = writer.do("add", writer.do("mul", sine, of_sine), writer.do("mul", cosine, of_cosine))
    result = writer.do("add", exact, small)
    return tuple(writer.steps), result


def _sums(writer: Writer, first: Operand, others: Sequence[Operand]) -> tuple[Operand, list[Operand]]:
    """The sum, and what each addition loses (Dekker 1971): all that was added before has larger last places."""
    lost = list[Operand]()
    for each in others:
        total = writer.do("add", first, each)
        lost.append(writer.do("sub", each, writer.do("sub", total, first)))
        first = total
    return first, lost


def _two_sums(writer: Writer, a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """The sum, and what it loses, whatever their sizes are (Knuth)."""
    total = writer.do("add", a, b)
    part = writer.do("sub", total, a)
    return total, writer.do("add", writer.do("sub", a, writer.do("sub", total, part)), writer.do("sub", b, part))


def _split(writer: Writer, x: Operand, digits: int) -> tuple[Operand, Operand]:
    """x with half of its digits, and the rest."""
    large = writer.do("mul", x, Constant(Fraction(2 ** _halves(digits)[0] + 1)))
    first = writer.do("sub", large, writer.do("sub", large, x))
    return first, writer.do("sub", x, first)


def _both(writer: Writer, f: Operand, lost: Operand, format: str) -> tuple[Operand, Operand, Operand, Operand]:
    """The two parts of ``sin(2 pi f)``, and those of ``cos(2 pi f)``."""
    one, half, digits = Constant(Fraction(1)), Constant(Fraction(1, 2)), FORMATS[format][0]
    (s, c), (first, second, turn) = _coefficients(format), map(Constant, _turn(format))
    short, rest = _split(writer, f, digits)
    rest = writer.do("add", rest, lost)
    base = writer.do("mul", short, first)
    d = writer.do("add", writer.do("mul", short, second), writer.do("mul", rest, turn))
    r = writer.do("add", base, d)
    z = writer.do("mul", r, r)
    sine = writer.multiply_add(writer.do("mul", writer.polynomial(s, z), z), r, d)
    magic = Constant(Fraction(3 * 2 ** (digits - 2), 2 ** _places(digits)))
    near = writer.do("sub", writer.do("add", r, magic), magic)
    less = writer.do("sub", one, writer.do("mul", writer.do("mul", near, near), half))
    e = writer.do("add", writer.do("sub", base, near), d)
    moved = writer.do("mul", e, writer.do("add", near, writer.do("mul", e, half)))
    fourth = writer.do("mul", writer.polynomial(c, z), writer.do("mul", z, z))
    return base, sine, less, writer.do("sub", fourth, moved)


def _places(digits: int) -> int:
    """Half of the square of a number with so many places is a multiple of the last place of numbers below 1."""
    return (digits - 1) // 2


def _signs(writer: Writer, n: Operand, ahead: bool) -> tuple[Operand, Operand]:
    """By what the sine and the cosine are multiplied after n quarters, and one more for a cosine."""
    one = Constant(Fraction(1))
    n = writer.do("add", n, one) if ahead else n
    beside = []
    for k in (2, 4):
        turns = writer.do("mul", n, Constant(Fraction(1, k)))
        beside.append(writer.do("sub", turns, writer.do("round", turns)))
    odd = writer.do("mul", beside[0], beside[0])  # 0, or 1/4
    twice = writer.do("mul", beside[1], beside[1])  # 0, 1/4 after half a turn, else 1/16
    even = writer.do("sub", one, writer.do("mul", odd, Constant(Fraction(4))))
    sign = writer.do("sub", one, writer.do("mul", twice, Constant(Fraction(8))))
    of_cosine = writer.do("mul", writer.do("mul", beside[1], odd), Constant(Fraction(16)))
    return writer.do("mul", even, sign), of_cosine


# -- the proof -------------------------------------------------------------------------------------------------------


def own_sine_error(function: Function, turns: Turns, format: str, exponents: tuple[int, int], flush: bool) -> Errors:
    """Bounds of the error of a sine, or of a cosine, of ``a x`` for all x with ``2**k <= abs(x) < 2**(k + 1)``, k from
    the first to the last of two exponents.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`own_sine`, or f is not known well enough.
    """
    shift, parts, large, scheme = _read(function, format)
    digits, smallest, _ = FORMATS[format]
    tiny = Fraction(2) ** (smallest + digits - 1 if flush else smallest)
    off = max(_reduced(shift, parts, large, turns, format, k, tiny) for k in range(exponents[0], exponents[1] + 1))
    return _errors(format, scheme, Fraction(2) ** exponent_of(off) if off else Fraction(0))


Read = tuple[int, tuple[Fraction, ...], tuple[bool, ...], Scheme]
"""The power of two by which x is divided, the parts, and whether integers are taken off their products."""


@cache
def _read(function: Function, format: str) -> Read:
    # The constants of the operations, which written down again must give the same operations.
    steps, scaled = function.steps, _scaled(format)
    shift = scaled if steps[0].operands[-1] == Constant(Fraction(1, 2**scaled)) else 0
    start = 1 if shift else 0
    x, first = Result(0) if shift else INPUT, Result(start + 2)
    products = [(k, names) for k, (op, names) in enumerate(steps) if op == "mul" and k > start]
    parts = {k: names[1].value for k, names in products if names[0] == first and isinstance(names[1], Constant)}
    large = tuple(k + 1 < len(steps) and steps[k + 1].op == "round" for k in parts)
    lasts = [names[1].value for _, names in products if names[0] == x and isinstance(names[1], Constant)]
    every = (*parts.values(), lasts[0] if lasts else Fraction(0))
    fma = any(op == "fma" for op, _ in steps)
    for scheme in (Scheme(order, fma) for order in ORDERS) if parts else ():
        if _written(function.name, shift, every, large, format, scheme) == (steps, function.result):
            return shift, every, large, scheme
    raise ArithmeticError(f"the operations of {function.name} are not those of a sine with its reduction")


@cache
def _reduced(
    shift: int,
    parts: tuple[Fraction, ...],
    large: tuple[bool, ...],
    turns: Turns,
    format: str,
    exponent: int,
    tiny: Fraction,
) -> Fraction:
    """A bound of the error of f, relative to it, for all x with ``2**exponent <= abs(x) < 2 * 2**exponent``.

    ``tiny`` is what an operation may lose where its result is subnormal.
    """
    digits, _, top = FORMATS[format]
    share, scale = Fraction(1, 2**digits), Fraction(2) ** shift
    most, unit = Fraction(2) ** (exponent + 1), Fraction(2) ** (exponent + 1 - digits)
    behind, _ = _halves(digits)
    if unit < tiny * scale or most * 2 ** (behind + 1) > scale * Fraction(2) ** top:
        raise ArithmeticError("halves of a number that is too small or too large")
    halves = (most, unit * 2**behind), (unit * 2 ** (behind - 1), unit)
    slip = most * max(abs(sum(parts) / scale - end) for end in (turns.low, turns.high))
    remain, lasts = list[Fraction](), list[Fraction]()
    for part, whole in zip(parts, large):
        for each, grain in halves:
            size, last = abs(part) / scale * each, grain_of(part) / scale * grain
            if size > last * 2**digits:
                raise ArithmeticError("a product with a part is not exact")
            if whole and last < 1:
                if size >= 2 ** (digits - 2):
                    raise ArithmeticError("a product is too large for its remainder")
                size = min(size, Fraction(1, 2))
            elif whole:
                size = Fraction(0)
            slip += tiny if last < tiny else 0
            remain.append(size)
            lasts.append(last)
    beside = abs(parts[-1]) / scale * most
    slip += share * beside + tiny if beside else 0
    if (len(remain) + 1) * share * (sum(remain) + 2) + slip + beside > REACH - Fraction(1, 8):
        raise ArithmeticError("the quarter is not known well enough")
    # f is what is left with quarters taken off. Each sum loses something, and so does each sum of that, in proportion
    # to f and besides; the sums of what those lose are rounded.
    ends, count = min(Fraction(1, 4), lasts[0]), len(remain)
    if REACH + sum(remain[1:]) + slip + beside > ends * 2**digits:
        raise ArithmeticError("what is left of the first product is not exact")
    once, twice, own = Lost(), Lost(), Lost()
    for k in range(1, count):
        # So what is lost is a number of the format: all are multiples of the last place of what is added.
        if remain[k] >= ends * 2**digits:
            raise ArithmeticError("what is lost of a sum is not exact")
        ends = min(ends, lasts[k])
        own = own.plus(0, 8 * tiny if ends < tiny else 0)
        rest = sum(remain[k + 1 :], slip + own.besides + beside) * (1 + 2 * share)
        if REACH + rest > ends * 2**digits:
            once = once.plus(share, share * rest)
        twice = twice.plus(share * once.share, share * once.besides)
        own = own.plus(share * twice.share, share * twice.besides)
    # f is rounded once more, and the rest is added up.
    left = twice.plus(2 * share, beside)
    own = own.plus(3 * share * left.share, 3 * share * left.besides + slip)
    exact = not own.besides and turns.low == turns.high
    least = ends if exact else _nearest(turns, exponent, digits)
    # Nothing is subnormal that counts: few operations follow, with numbers of more than this.
    if not least > tiny * 2 ** (2 * digits) or left.share + left.besides / least > AT_MOST:
        raise ArithmeticError("numbers of the format may be too near to a zero")
    return 2 * own.share + own.besides / least * (1 + 2 * share) + 64 * tiny / least


class Lost(NamedTuple):
    """A bound in proportion to f, and what comes besides."""

    share: Fraction = Fraction(0)
    besides: Fraction = Fraction(0)

    def plus(self, share: Fraction | int, besides: Fraction | int) -> "Lost":
        return Lost(self.share + share, self.besides + besides)


def _nearest(turns: Turns, exponent: int, digits: int) -> Fraction:
    """A bound from below of how far ``a x`` is from quarters of turns, for these x."""
    ends = sorted(abs(end) * Fraction(2) ** exponent for end in (turns.low, turns.high))
    return max(min(ends[0], Fraction(1, 4) - 2 * ends[1]), least_distance(turns, exponent + 1 - digits, digits))


@cache
def _errors(format: str, scheme: Scheme, off: Fraction) -> Errors:
    """Of a sine and of a cosine, where f is off by so much, relative to itself."""
    with working_bits(BITS):
        return worst_of(_parts_of(format, scheme, to_arb(off)), FORMATS[format][0])


def _parts_of(format: str, scheme: Scheme, off: arb) -> Iterator[Part]:
    digits = FORMATS[format][0]
    run, zero, places = Running(digits, arb(0)), arb(0), _places(digits)
    (s, c), (first, second, turn), share = _coefficients(format), map(to_arb, _turn(format)), arb(2) ** -digits
    full, reach = 2 * arb.pi(), to_arb(REACH)
    furthest = (full * reach) ** 2
    series = (
        [(-1) ** (k + 1) / arb(2 * k + 4).gamma() for k in range(24)],
        [(-1) ** k / arb(2 * k + 5).gamma() for k in range(24)],
    )
    differences = [
        arb_poly([term - (to_arb(p[k]) if k < len(p) else 0) for k, term in enumerate(terms)])
        for p, terms in zip((s, c), series)
    ]
    end = 2 * abs(series[0][-1]) * furthest**24
    # How large what is left of f is beside it: the half that is cut off, and what was lost.
    beside = (arb(2) ** -(digits // 2) + to_arb(AT_MOST) * (1 + arb(2) ** -6)).upper()
    grid = arb(2) ** (-places - 1)
    for k in range(PARTS):
        f = reach * arb(2 * k + 1) / (2 * PARTS) + arb(0, (reach / (2 * PARTS)).upper())
        value, size = full * f, abs(f).upper()
        short = Ranged(f + arb(0, beside * size), zero)
        rest = run.rounded(Ranged(arb(0, beside * size), zero))
        d = run.add(run.mul(short, Ranged(second, zero)), run.mul(rest, Ranged(turn, zero)))
        missed = short.size * abs(full - first - second) + rest.size * abs(full - turn)
        d = Ranged(d.ball, (d.error + missed).upper())
        r = run.rounded(Ranged(value, d.error))
        z = run.mul(r, r)
        inner = run.mul(run.polynomial(s, z, scheme), z)
        cube = product(inner, r) if scheme.fma else run.mul(inner, r)
        sine = run.add(cube, d)
        far = abs(value).upper()
        gaps = [_size(each, value**2) + end for each in differences]
        # What comes of f is in proportion to it, and so is the approximation.
        own = off * far + gaps[0] * far**3
        if k == 0:
            # All errors are in proportion to f: those of d, each of a few roundings, and those of the cube.
            least = value.upper() / (full * f).upper() * (1 - far**2 / 6)
            each = share * (8 * beside + 2 * far**2 + far**2) + abs(full - first - second) + beside * abs(full - turn)
            yield (each + off + gaps[0] * far**2).upper(), least, True
        else:
            yield (sine.error + own).upper(), value.sin(), False
        near = Ranged(arb(0, 1) * far * (1 + arb(2) ** -8) + arb(0, grid), zero)
        e = run.rounded(Ranged(arb(0, (grid + d.size + 2 * r.error).upper()), zero))
        e = run.rounded(Ranged(e.ball, e.error + d.error))
        mean = run.add(near, Ranged(e.ball / 2, e.error / 2))
        fourth = run.mul(run.polynomial(c, z, scheme), run.mul(z, z))
        cosine = run.sub(fourth, run.mul(e, mean))
        yield (cosine.error + off * far + gaps[1] * far**4).upper(), value.cos(), False


def _size(p: arb_poly, z: arb) -> arb:
    """A bound of a polynomial on a ball."""
    moved, width = p(arb_poly([z.mid(), 1])), arb(z.rad()).upper()
    return sum((abs(moved[j]) * width**j for j in range(moved.length())), arb(0)).upper()
