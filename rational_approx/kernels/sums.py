"""Functions of code whose last operation adds a small correction to something exact: ``exp``, ``expm1``, ``log`` and
``log1p`` for code that calculates in the format of its results.

With ``u = n log(2) + r`` as in :mod:`kernels.reductions`, ``h = u - n L1`` is exact, and ``exp(r) - 1 - h`` is the
small ``c = r^2 q(r) - n L2``. So ``exp(u) = 2^n (1 + (h + c))``, and ``expm1(u) = 2^n ((1 - 2^-n + h) + c)`` with the
sum in brackets as a rounded one and what it lost (Dekker 1971), and what ``1 - 2^-n`` lost.

With ``u = 2^k m`` as in :mod:`kernels.logarithms`, ``f = m - 1`` is exact, and with ``s = f / (f + 2)``, ``log(m) = f +
(s (s^2 q(s^2) + f^2 / 2) - f^2 / 2)``. So ``log(u)`` is the two numbers of ``k L1 + f``, and a correction. ``log1p(x)``
is that of ``u = 1 + x``, rounded, and what the sum lost over u.

Each has two bounds of its relative error: before the last sum is rounded, and after.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from flint import arb

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.kernels.fine import chebyshev_points, rounded_polynomial
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.logarithms import middle
from rational_approx.kernels.reductions import FIRST_BITS, LOG2, REDUCED, exp_distance
from rational_approx.kernels.running import Ranged, Running, power_below
from rational_approx.kernels.series import gap
from rational_approx.programs.program import INPUT, Constant, Operand, Writer

__all__ = ["DOMAINS", "EXPM1_FROM", "KINDS", "LOG1P_FROM", "Errors", "sum_error", "sum_function"]

KINDS = ("exp", "expm1", "log", "log1p")
DEGREES = {"exp": {"float32": 5, "float64": 10}, "log": {"float32": 3, "float64": 8}}
"""Degrees of q."""
DOMAINS: dict[str, dict[str, tuple[Fraction, Fraction]]] = {
    "float32": {
        "exp": (Fraction(-104), Fraction(8873, 100)),
        "expm1": (Fraction(-15), Fraction(8873, 100)),
        "log1p": (Fraction(-1), Fraction(2) ** 129),
    },
    "float64": {
        "exp": (Fraction(-746), Fraction(70979, 100)),
        "expm1": (Fraction(-36), Fraction(70979, 100)),
        "log1p": (Fraction(-1), Fraction(2) ** 1025),
    },
}
"""Arguments for which each is proved; log for all normal positive ones."""
EXPM1_FROM, LOG1P_FROM = Fraction(511, 1024), Fraction(255, 1024)
"""``expm1`` and ``log1p`` are proved for arguments of this size at least: near zero there are other forms."""
PARTS = 128
SINGLE = 5
BITS = 240


class Errors(NamedTuple):
    """Before the last sum is rounded, in units in the last place of the function, and relative to it; and after."""

    units: Fraction
    before: Fraction
    after: Fraction


# -- the operations --------------------------------------------------------------------------------------------------


@cache
def _coefficients(kind: str, inner: str) -> tuple[Fraction, ...]:
    """q in a format, near-best relative to ``r^2``, or to ``s^3``, which it is multiplied with."""
    with working_bits(BITS):
        if kind == "exp":
            points = chebyshev_points(to_arb(-REDUCED), to_arb(REDUCED), 64)
            values, weights = [(r.expm1() - r) / r**2 for r in points], [r**2 for r in points]
        else:
            points = chebyshev_points(arb(0), arb("0.02945"), 64)
            roots = [z.sqrt() for z in points]
            values, weights = [(2 * s.atanh() / s - 2) / s**2 for s in roots], [s**3 for s in roots]
        return rounded_polynomial(
            points, [v.mid() for v in values], [w.mid() for w in weights], DEGREES[kind][inner], inner
        )


def sum_function(kind: str, inner: str) -> Function:
    """The operations of a function in a format."""
    first = Fraction(int(LOG2 * 2 ** FIRST_BITS[inner]), 2 ** FIRST_BITS[inner])
    rest = round_to(LOG2 - first, inner)
    if kind in ("exp", "expm1"):
        return _exponential(kind, (round_to(1 / LOG2, inner), first, rest), _coefficients("exp", inner), inner)
    return _logarithm(kind, (first, rest), _coefficients("log", inner))


def _exponential(kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], inner: str) -> Function:
    writer, magic, one = Writer(fma=False), Constant(Fraction(3 * 2 ** (FORMATS[inner][0] - 2))), Constant(Fraction(1))
    inverse, first, rest = map(Constant, constants)
    n = writer.do("sub", writer.do("add", writer.do("mul", INPUT, inverse), magic), magic)
    h = writer.do("sub", INPUT, writer.do("mul", n, first))
    low = writer.do("mul", n, rest)
    r = writer.do("sub", h, low)
    c = writer.do("mul", writer.do("mul", r, r), writer.horner(q, r))
    if kind == "exp":
        c = writer.do("sub", c, low)
        value = writer.do("add", writer.do("add", h, c), one)
        about = f"2^n (1 + (h + c)), x = n log(2) + h - n L2, c = r^2 q(r) - n L2, q of degree {len(q) - 1}"
    else:
        power = writer.do("scale", one, writer.do("sub", Constant(Fraction(0)), n))
        lead = writer.do("sub", one, power)
        lost = writer.do("sub", writer.do("sub", one, lead), power)
        value = _two_sums(writer, lead, h, [("add", lost), ("sub", low), ("add", c)])
        about = f"2^n ((1 - 2^-n + h) + (r^2 q(r) - n L2)), x = n log(2) + h - n L2, q of degree {len(q) - 1}"
    result = writer.do("scale", value, n)
    return Function(kind, tuple(writer.steps), result, about)


def _two_sums(writer: Writer, a: Operand, b: Operand, small: list[tuple[str, Operand]]) -> Operand:
    """``a + b`` with a larger than b, and small numbers, which join what that sum loses, the smallest ones first."""
    total = writer.do("add", a, b)
    lost = writer.do("add", writer.do("sub", a, total), b)
    for op, each in small:
        lost = writer.do(op, lost, each)
    return writer.do("add", total, lost)


def _logarithm(kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...]) -> Function:
    writer, one, zero = Writer(fma=False), Constant(Fraction(1)), Constant(Fraction(0))
    first, rest = map(Constant, constants)
    u: Operand = INPUT
    if kind == "log1p":
        u = writer.do("add", INPUT, one)
        part = writer.do("sub", u, one)
        lost = writer.do("add", writer.do("sub", one, writer.do("sub", u, part)), writer.do("sub", INPUT, part))
    k = writer.do("exponent", u)
    f = writer.do("sub", writer.do("scale", u, writer.do("sub", zero, k)), one)
    s = writer.do("div", f, writer.do("add", f, Constant(Fraction(2))))
    z = writer.do("mul", s, s)
    square = writer.do("mul", writer.do("mul", f, f), Constant(Fraction(1, 2)))
    c = writer.do("mul", s, writer.do("add", writer.do("mul", z, writer.horner(q, z)), square))
    small = [("add", writer.do("mul", k, rest)), ("add", c), ("sub", square)]
    if kind == "log1p":
        small.insert(1, ("add", writer.do("div", lost, u)))
    value = _two_sums(writer, writer.do("mul", k, first), f, small)
    head = "x = 2^k (1 + f)" if kind == "log" else "1 + x = 2^k (1 + f)"
    about = f"(k log(2) + f) + (s (s^2 q(s^2) + f^2/2) - f^2/2), {head}, s = f / (f + 2), q of degree {len(q) - 1}"
    return Function(kind, tuple(writer.steps), value, about)


# -- the proofs ------------------------------------------------------------------------------------------------------


@cache
def sum_error(function: Function, inner: str) -> Errors:
    """Bounds of ``abs(E(u) / f(u) - 1)`` for the arguments of `DOMAINS`, where the result is a normal number.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`sum_function`.
    """
    kind = function.name.split("_")[0]
    found = [which.value for _, names in function.steps for which in names if isinstance(which, Constant)]
    with working_bits(BITS):
        if kind in ("exp", "expm1"):
            q = tuple(reversed(found[5 : len(found) - (1 if kind == "exp" else 4)]))
            constants = (found[0], found[3], found[4]) if len(found) > 5 else ()
            if not q or not _same(function, _exponential(kind, constants, q, inner)):
                raise ArithmeticError(f"the operations of {function.name} are not those of a sum with its reduction")
            parts = _exponential_parts(kind, constants, q, inner)
        else:
            start = 4 if kind == "log" else 7
            q = tuple(reversed(found[start:-2]))
            both = (found[-1], found[-2]) if len(found) > start + 2 else ()
            if not q or not _same(function, _logarithm(kind, both, q)):
                raise ArithmeticError(f"the operations of {function.name} are not those of a sum with its reduction")
            parts = _logarithm_parts(kind, both, q, inner)
        units, before, after, half = arb(0), arb(0), arb(0), arb(2) ** -FORMATS[inner][0]
        for error, value, scaled in parts:
            least = abs(value).lower()
            before = before.max((error / least).upper())
            place = half * least if scaled else half * (least.max(2 * power_below(least)))
            units = units.max((error / place).upper())
            # Half a place of the largest value; in proportion to the value it is never more than half.
            own = (half * power_below((abs(value) + error).upper()) / least).min(half * (1 + error / least))
            after = after.max((error / least + own).upper())
        room = 1 + Fraction(1, 2**20)
        return Errors(*(to_fraction(bound) * room for bound in (units, before, after)))


def _same(one: Function, other: Function) -> bool:
    return (one.steps, one.result) == (other.steps, other.result)


Part = tuple[arb, arb, bool]
"""A bound of the error before the last sum is rounded, and the values there, both without a power of two; and whether
both are in proportion to a value of any size."""


def _exponential_parts(
    kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], inner: str
) -> Iterator[Part]:
    inverse, first, rest = constants
    bits, run = FORMATS[inner][0], Running(FORMATS[inner][0])
    low, high = DOMAINS[inner][kind]
    reach = max(-low, high)
    most = int(reach / LOG2) + 2
    if (first * 2 ** FIRST_BITS[inner]).denominator > 1 or most * first * 2 ** FIRST_BITS[inner] >= 2**bits:
        raise ArithmeticError("n L1 is not exact")
    log2, u, zero = arb(2).log(), to_arb(reach), arb(0)
    # n against u / log(2): the constant, and the rounding of t
    off = u * (abs(to_arb(inverse) - 1 / log2) + to_arb(inverse) * run.half) + run.half
    widest = (log2 * (arb(1) / 2 + off)).upper()
    # u is a multiple of 2^(-1 - bits) where n is not 0, and so is u - n L1, of less than 1/2: it is exact.
    if not widest + most * abs(log2 - to_arb(first)) < arb(3) / 8:
        raise ArithmeticError("a reduced argument that is too large")
    slip = most * abs(log2 - to_arb(first) - to_arb(rest))
    approximate = exp_distance((Fraction(1), Fraction(1), *q), widest)
    for k in range(PARTS):
        ball = widest * arb(2 * k + 1 - PARTS) / PARTS + arb(0, (widest / PARTS).upper())
        low_part = run.rounded(Ranged(arb(0, (most * abs(to_arb(rest))).upper()), zero))
        h = Ranged(ball + arb(0, (most * abs(log2 - to_arb(first))).upper()), zero)
        r = run.sub(h, low_part)
        r = Ranged(ball, r.error + slip)
        c = run.mul(run.mul(r, r), run.horner(q, r))
        own = slip + approximate * ball.exp() + arb(2) ** (FORMATS[inner][1] + 8)  # r r may be subnormal
        if kind == "exp":
            yield (run.add(h, run.sub(c, low_part)).error + own).upper(), ball.exp(), False
        else:
            yield from _expm1_parts(run, ball, (h, low_part, c), own.upper())


def _expm1_parts(run: Running, ball: arb, given: tuple[Ranged, Ranged, Ranged], own: arb) -> Iterator[Part]:
    # The sums with 1 and with h lose what is known exactly: n is -bits at least. Few n are looked at alone.
    (h, low_part, c), log2, zero = given, arb(2).log(), arb(0)
    for n in (k for k in range(-SINGLE, SINGLE + 1) if k):
        u = n * log2 + ball
        if abs(u) < to_arb(EXPM1_FROM):
            continue
        reduced = _beyond(u, to_arb(EXPM1_FROM)) - n * log2  # what lies nearer to zero is none of the arguments
        power = arb(2) ** -n
        if n == SINGLE:  # and all that are larger
            power = power.union(zero)
        lead = abs(1 - power).upper()
        rest = Ranged(arb(0, (run.half * power_below((lead + abs(h.ball)).upper())).upper()), zero)
        lost = Ranged(arb(0, (run.half * power_below(lead)).upper()), zero)
        rest = run.add(run.sub(run.add(rest, lost), low_part), c)
        yield (rest.error + own).upper(), reduced.exp() - power, False
        if n == -SINGLE:  # and all n below: over 2^-n, what is lost is half a place of 2 at most
            small = 3 * run.half * ((c.size + low_part.size) * lead**-1 + 4 * run.half)
            yield ((c.error + low_part.error + own) / lead + small).upper(), 1 - arb(0).union(ball.exp() / lead), False


def _logarithm_parts(kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], inner: str) -> Iterator[Part]:
    first, rest = constants
    (bits, smallest, top), zero = FORMATS[inner], arb(0)
    run, log2, most = Running(bits), arb(2).log(), max(top, bits - smallest) + 1
    if (first * 2 ** FIRST_BITS[inner]).denominator > 1 or most * first * 2 ** FIRST_BITS[inner] >= 2**bits:
        raise ArithmeticError("k L1 is not exact")
    edge = to_arb(middle(inner))
    low, high = edge - 1, 2 * edge - 1
    reach = ((high / (high + 2)).max(-low / (low + 2)) ** 2 * (1 + 8 * run.half)).upper()
    series = [2 / arb(2 * k + 3) for k in range(60)]
    off = gap(q, series, 2 * reach ** len(series), reach)
    slip = most * abs(log2 - to_arb(first) - to_arb(rest))
    # What 1 + x loses over it: known within a rounding, and the logarithm of 1 and that within half of its square.
    more = Ranged(arb(0, run.half), (2 * run.half**2).upper())
    for j in range(PARTS):
        ball = (low + (high - low) * j / PARTS).union(low + (high - low) * (j + 1) / PARTS)
        f = Ranged(ball, zero)
        s = run.div(f, run.add(f, Ranged(arb(2), zero)))
        z = run.mul(s, s)
        square = run.mul(f, f)
        # The square stands there twice: what it is off by counts 1 - s times.
        missed, square = square.error / 2, Ranged((square.ball + arb(0, square.error)) / 2, zero)
        c = run.mul(s, run.add(run.mul(z, run.horner(q, z)), square))
        own = off * abs(s.ball) ** 3 + missed * abs(1 - s.ball)
        size = abs(ball).upper()
        # Where k is 0 the sum of 0 and f loses nothing.
        if ball.contains(0) and kind == "log":
            # c is about -f^2/2, and known within 8 roundings: both over f.
            yield ((8 * run.half * size + off * size**2) / (1 - size)).upper(), arb(1), True
        elif kind == "log":
            yield (run.sub(c, square).error + own).upper(), (1 + ball).log(), False
        elif not size < to_arb(LOG1P_FROM):
            far = _beyond(ball, to_arb(LOG1P_FROM))
            yield (run.sub(run.add(more, c), square).error + own).upper(), (1 + far).log(), False
        for k in (-2, -1, 1, 2):
            lead = k * log2 if abs(k) < 2 else (k * log2).union(k * most * log2)
            times = most if abs(k) == 2 else 1
            small = run.rounded(Ranged(arb(0, (times * abs(to_arb(rest))).upper()), zero))
            total = (abs(lead) + size).upper()
            last = run.add(Ranged(arb(0, (run.half * power_below(total)).upper()), zero), small)
            last = run.add(run.add(last, more) if kind == "log1p" else last, c)
            last = run.sub(last, square)
            yield (last.error + own + slip * times / most).upper(), lead + (1 + ball).log(), False


def _beyond(ball: arb, least: arb) -> arb:
    """What of a ball lies as far from zero as that."""
    ends = ball.lower(), ball.upper()
    return ball.max(least) if ends[1] > least else ball.min(-least)
