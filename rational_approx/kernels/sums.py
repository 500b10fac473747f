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
from rational_approx.kernels.running import Ranged, Running, power_below, product
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.series import gap, read_scheme
from rational_approx.programs.program import INPUT, Constant, Operand, Writer

__all__ = ["DOMAINS", "EXPM1_FROM", "KINDS", "LOG1P_FROM", "Errors", "Part", "sum_error", "sum_function", "worst_of"]

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


def sum_function(kind: str, inner: str, scheme: Scheme = PLAIN) -> Function:
    """The operations of a function in a format."""
    # n L1 is exact; or fused with x, where all bits of a number may stand.
    bits = FORMATS[inner][0] if scheme.fma and kind in ("exp", "expm1") else FIRST_BITS[inner]
    first = round_to(LOG2, inner) if bits == FORMATS[inner][0] else Fraction(int(LOG2 * 2**bits), 2**bits)
    rest = round_to(LOG2 - first, inner)
    if kind in ("exp", "expm1"):
        constants = (round_to(1 / LOG2, inner), first, rest)
        return _exponential(kind, constants, _coefficients("exp", inner), inner, scheme)
    return _logarithm(kind, (first, rest), _coefficients("log", inner), scheme)


def _exponential(
    kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], inner: str, scheme: Scheme
) -> Function:
    writer, one, (bits, _, top) = scheme.writer(), Constant(Fraction(1)), FORMATS[inner]
    # Numbers next to it are 1 apart. Twice the exponent that stands for 0 more, and t has the bits of powers of two.
    magic = Constant(Fraction(3 * 2 ** (bits - 2) + (2 * (top - 1) if scheme.fma else 0)))
    inverse, first, rest = constants
    n = writer.do("sub", writer.multiply_add(INPUT, Constant(inverse), magic), magic)
    h = writer.multiply_sub(INPUT, n, first)
    r = writer.multiply_sub(h, n, rest)
    if kind == "exp" and scheme.fma and scheme.order == "horner":
        value = writer.horner((one.value, one.value, *q), r)
        about = f"2^n (1 + (1 + r q(r)) r), x = n log(2) + r, q of degree {len(q) - 1}"
        result = writer.do("scale", value, n)
        return Function(kind, tuple(writer.steps), result, about)
    square = writer.do("mul", r, r)
    # The last term alone: its rounding counts most, and Estrin's order would have two.
    small = writer.multiply_add(writer.polynomial(q[1:], r), r, Constant(q[0]))
    if kind == "exp":
        c = writer.multiply_sub(writer.do("mul", square, small), n, rest)
        value = writer.do("add", writer.do("add", h, c), one)
        about = f"2^n (1 + (h + c)), x = n log(2) + h - n L2, c = r^2 q(r) - n L2, q of degree {len(q) - 1}"
    else:
        if not scheme.fma:
            writer.do("mul", square, small)
        power = writer.do("scale", one, writer.do("sub", Constant(Fraction(0)), n))
        lead = writer.do("sub", one, power)
        lost = writer.do("sub", writer.do("sub", one, lead), power)
        total, over = _two_sums(writer, lead, h)
        over = writer.multiply_sub(writer.do("add", over, lost), n, rest)
        over = _joined(writer, over, square, small)
        value = writer.do("add", total, over)
        about = f"2^n ((1 - 2^-n + h) + (r^2 q(r) - n L2)), x = n log(2) + h - n L2, q of degree {len(q) - 1}"
    result = writer.do("scale", value, n)
    return Function(kind, tuple(writer.steps), result, about)


def _two_sums(writer: Writer, a: Operand, b: Operand, total: Operand | None = None) -> tuple[Operand, Operand]:
    """``a + b`` with a larger than b, perhaps written down already, and what that sum loses."""
    total = writer.do("add", a, b) if total is None else total
    return total, writer.do("add", writer.do("sub", a, total), b)


def _joined(writer: Writer, total: Operand, a: Operand, b: Operand) -> Operand:
    """``total + a b``."""
    return writer.do("fma", a, b, total) if writer.fma else writer.do("add", total, writer.do("mul", a, b))


def _logarithm(kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], scheme: Scheme) -> Function:
    writer, one, zero = scheme.writer(), Constant(Fraction(1)), Constant(Fraction(0))
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
    small = writer.polynomial(q, z)
    inside = writer.do("fma", z, small, square) if scheme.fma else writer.do("add", writer.do("mul", z, small), square)
    if not scheme.fma:
        writer.do("mul", s, inside)
        writer.do("mul", k, rest)
    beside = writer.do("div", lost, u) if kind == "log1p" else None
    lead = writer.do("mul", k, first)
    total, over = _two_sums(writer, lead, f, writer.multiply_add(k, first, f))  # fused the same: the product is exact
    # Small numbers join what the sum loses, the smallest ones first.
    over = _joined(writer, over, k, rest)
    over = over if beside is None else writer.do("add", over, beside)
    over = _joined(writer, over, s, inside)
    value = writer.do("add", total, writer.do("sub", over, square))
    head = "x = 2^k (1 + f)" if kind == "log" else "1 + x = 2^k (1 + f)"
    about = f"(k log(2) + f) + (s (s^2 q(s^2) + f^2/2) - f^2/2), {head}, s = f / (f + 2), q of degree {len(q) - 1}"
    return Function(kind, tuple(writer.steps), value, about)


# -- the proofs ------------------------------------------------------------------------------------------------------


@cache
def sum_error(function: Function, inner: str, flush: bool = False) -> Errors:
    """Bounds of ``abs(E(u) / f(u) - 1)`` for the arguments of `DOMAINS`, where the result is a normal number; with
    ``flush``, also where subnormal operands or results are replaced by zero.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`sum_function`.
    """
    kind, (bits, smallest, _) = function.name.split("_")[0], FORMATS[inner]
    with working_bits(BITS):
        run = Running(bits, arb(2) ** (smallest + bits - 1) if flush else arb(0))
        constants, q, scheme = _read(function, kind, inner)
        parts = (_exponential_parts if kind in ("exp", "expm1") else _logarithm_parts)(
            kind, constants, q, inner, scheme, run
        )
        return worst_of(parts, bits)


def worst_of(parts: Iterator["Part"], bits: int) -> Errors:
    """The largest errors of all parts, in a format with so many bits."""
    units, before, after, half = arb(0), arb(0), arb(0), arb(2) ** -bits
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


def _read(function: Function, kind: str, inner: str) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...], Scheme]:
    # The constants of the operations, which written down again must give the same operations.
    found = [which.value for _, names in function.steps for which in names if isinstance(which, Constant)]
    first, last = {"exp": (5, 1), "expm1": (5, 4), "log": (4, 2), "log1p": (7, 2)}[kind]
    last += any(op == "fma" for op, _ in function.steps)  # one that stands there twice
    found_q = found[first : len(found) - last]
    lowest = found_q[-1:] if kind in ("exp", "expm1") else []
    for scheme, others in read_scheme(function, found_q[: len(found_q) - len(lowest)]):
        q = (*lowest, *others)
        if kind in ("exp", "expm1"):
            constants = (found[0], *(-c if scheme.fma else c for c in found[3:5]))
            again = _exponential(kind, constants, q, inner, scheme)
        else:
            constants = tuple(found[-2:] if scheme.fma else found[:-3:-1])
            again = _logarithm(kind, constants, q, scheme)
        if (again.steps, again.result) == (function.steps, function.result):
            return constants, q, scheme
    raise ArithmeticError(f"the operations of {function.name} are not those of a sum with its reduction")


Part = tuple[arb, arb, bool]
"""A bound of the error before the last sum is rounded, and the values there, both without a power of two; and whether
both are in proportion to a value of any size."""


def _exponential_parts(
    kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], inner: str, scheme: Scheme, run: Running
) -> Iterator[Part]:
    inverse, first, rest = constants
    bits, zero = FORMATS[inner][0], arb(0)
    low, high = DOMAINS[inner][kind]
    reach = max(-low, high)
    most = int(reach / LOG2) + 2
    # n L1 has so few digits, or is fused with u.
    place = bits if scheme.fma else FIRST_BITS[inner]
    if (first * 2**place).denominator > 1 or (not scheme.fma and most * first * 2**place >= 2**bits):
        raise ArithmeticError("n L1 is not exact")
    log2, u = arb(2).log(), to_arb(reach)
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
        low_part = Ranged(arb(0, (most * abs(to_arb(rest))).upper()), zero)
        low_part = low_part if scheme.fma else run.rounded(low_part)
        h = Ranged(ball + arb(0, (most * abs(log2 - to_arb(first))).upper()), run.tiny)
        r = run.sub(h, low_part)
        r = Ranged(ball, r.error + slip)
        square, tail, lowest = run.mul(r, r), run.polynomial(q[1:], r, scheme), Ranged(to_arb(q[0]), zero)
        small = run.fma(tail, r, lowest) if scheme.fma else run.add(run.mul(tail, r), lowest)
        # Subnormal results, of which there are fewer than 2^7.
        own = slip + approximate * ball.exp() + arb(2) ** (FORMATS[inner][1] + 8)
        if kind == "exp" and scheme.fma and scheme.order == "horner":
            one = Ranged(arb(1), zero)
            yield (product(run.fma(small, r, one), r).error + own).upper(), ball.exp(), False
        elif kind == "exp":
            c = run.sub(run.mul(square, small), low_part)
            yield (run.add(h, c).error + own).upper(), ball.exp(), False
        else:
            c = product(square, small) if scheme.fma else run.mul(square, small)
            # 2^-n may be flushed, and what is lost of it.
            yield from _expm1_parts(run, ball, (h, low_part, c), (own + 2 * run.tiny).upper(), scheme)


def _expm1_parts(
    run: Running, ball: arb, given: tuple[Ranged, Ranged, Ranged], own: arb, scheme: Scheme
) -> Iterator[Part]:
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
        # Fused products are exact, and so is low_part then; the sums are rounded either way.
        rest = run.add(run.sub(run.add(rest, lost), low_part), c)
        yield (rest.error + own).upper(), reduced.exp() - power, False
        if n == -SINGLE:  # and all n below: over 2^-n, what is lost is half a place of 2 at most
            small = 3 * run.half * ((c.size + low_part.size) * lead**-1 + 4 * run.half)
            yield ((c.error + low_part.error + own) / lead + small).upper(), 1 - arb(0).union(ball.exp() / lead), False


def _logarithm_parts(
    kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], inner: str, scheme: Scheme, run: Running
) -> Iterator[Part]:
    first, rest = constants
    (bits, smallest, top), zero = FORMATS[inner], arb(0)
    log2, most = arb(2).log(), max(top, bits - smallest) + 1
    if (first * 2 ** FIRST_BITS[inner]).denominator > 1 or most * first * 2 ** FIRST_BITS[inner] >= 2**bits:
        raise ArithmeticError("k L1 is not exact")
    edge = to_arb(middle(inner))
    low, high = edge - 1, 2 * edge - 1
    reach = ((high / (high + 2)).max(-low / (low + 2)) ** 2 * (1 + 8 * run.half)).upper()
    series = [2 / arb(2 * k + 3) for k in range(60)]
    off = gap(q, series, 2 * reach ** len(series), reach)
    slip = most * abs(log2 - to_arb(first) - to_arb(rest))
    # What 1 + x loses over it: known within a rounding, and the logarithm of 1 and that within half of its square.
    more = Ranged(arb(0, run.half), (2 * run.half**2 + run.tiny).upper())
    for j in range(PARTS):
        ball = (low + (high - low) * j / PARTS).union(low + (high - low) * (j + 1) / PARTS)
        f = Ranged(ball, zero)
        s = run.div(f, run.add(f, Ranged(arb(2), zero)))
        z = run.mul(s, s)
        square = run.mul(f, f)
        # The square stands there twice: what it is off by counts 1 - s times.
        missed, square = square.error / 2, Ranged((square.ball + arb(0, square.error)) / 2, zero)
        small = run.polynomial(q, z, scheme)
        if scheme.fma:
            c = product(s, run.fma(z, small, square))
        else:
            c = run.mul(s, run.add(run.mul(z, small), square))
        own = off * abs(s.ball) ** 3 + missed * abs(1 - s.ball)
        size = abs(ball).upper()
        # Where k is 0 the sum of 0 and f loses nothing.
        if ball.contains(0) and kind == "log":
            # c is about -f^2/2, and known within 8 roundings: both over f. No result is subnormal but 0.
            yield ((8 * run.half * size + off * size**2) / (1 - size)).upper(), arb(1), True
        elif kind == "log":
            yield (run.sub(run.rounded(c) if scheme.fma else c, square).error + own).upper(), (1 + ball).log(), False
        elif not size < to_arb(LOG1P_FROM):
            far = _beyond(ball, to_arb(LOG1P_FROM))
            yield (run.sub(run.add(more, c), square).error + own).upper(), (1 + far).log(), False
        for k in (-2, -1, 1, 2):
            lead = k * log2 if abs(k) < 2 else (k * log2).union(k * most * log2)
            times = most if abs(k) == 2 else 1
            rests = Ranged(arb(0, (times * abs(to_arb(rest))).upper()), zero)
            total = (abs(lead) + size).upper()
            last = Ranged(arb(0, (run.half * power_below(total)).upper()), zero)
            last = run.add(last, rests if scheme.fma else run.rounded(rests))
            last = run.add(run.add(last, more) if kind == "log1p" else last, c)
            last = run.sub(last, square)
            yield (last.error + own + slip * times / most).upper(), lead + (1 + ball).log(), False


def _beyond(ball: arb, least: arb) -> arb:
    """What of a ball lies as far from zero as that."""
    ends = ball.lower(), ball.upper()
    return ball.max(least) if ends[1] > least else ball.min(-least)
