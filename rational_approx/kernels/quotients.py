"""``sigmoid``, ``silu`` and ``softplus`` for negative arguments, for code that calculates in the format of its results.

With ``x = n log(2) + r``, ``exp(x)`` is ``2^n V``, and as in :mod:`kernels.sums` ``V = 1 + (h + c)`` with an exact h
and a small c. The sigmoid is ``2^n Q`` with ``Q = V / D`` and ``D = 1 + 2^n V``. Let p and q be the numbers with
half of the digits that are next to V and Q. Then ``Q = q + (V - q D) / D``, and

    V - q D = ((p - q) - p g) + (V - p) (1 - g),    g = q 2^n:

of the products of short numbers none is rounded, and all that is left is small. ``silu``, ``x Q``, is a product of
short numbers and a small rest. ``softplus``, ``log(1 + 2^n V)``, is ``2^n (V + 2^n V^2 R(2^n V))``; far enough from
zero its second part is small.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache

from flint import arb

from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.kernels.fine import chebyshev_points, rounded_polynomial
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.reductions import FIRST_BITS, LOG2, REDUCED, exp_distance
from rational_approx.kernels.running import Ranged, Running, power_below
from rational_approx.kernels.scheme import PLAIN
from rational_approx.kernels.series import gap
from rational_approx.kernels.sums import BITS, Errors
from rational_approx.programs.program import INPUT, Constant, Operand, Writer

__all__ = ["QUOTIENTS", "quotient_domain", "quotient_error", "quotient_function"]

QUOTIENTS = ("sigmoid", "silu", "softplus")
LOWEST = {"float32": {"silu": -110}, "float64": {"silu": -756}}
USUAL = {"float32": -104, "float64": -746}
HIGHEST = {"sigmoid": Fraction(1, 2**10), "silu": Fraction(-1, 4), "softplus": Fraction(-5, 2)}
"""Arguments for which each is proved lie below; the sigmoid is proved up to 0."""
DEGREES = {"float32": (5, 4), "float64": (10, 9)}
"""Degrees of q, and of R."""
SHARES = {"float32": 5, "float64": 16}
"""Behind the point the short part of an argument has so many digits."""
PARTS, SINGLE = 128, 6


def quotient_domain(kind: str, inner: str) -> tuple[Fraction, Fraction]:
    """The arguments between which a function is proved."""
    return Fraction(LOWEST[inner].get(kind, USUAL[inner])), HIGHEST[kind]


# -- the operations --------------------------------------------------------------------------------------------------


@cache
def _exponential(inner: str) -> tuple[Fraction, ...]:
    """q of ``exp(r) = 1 + r + r^2 q(r)``."""
    with working_bits(BITS):
        points = chebyshev_points(to_arb(-REDUCED), to_arb(REDUCED), 64)
        values = [((r.expm1() - r) / r**2).mid() for r in points]
        return rounded_polynomial(points, values, [(r**2).mid() for r in points], DEGREES[inner][0], inner)


@cache
def _logarithm(inner: str) -> tuple[Fraction, ...]:
    """R of ``log(1 + e) = e + e^2 R(e)``."""
    with working_bits(BITS):
        points = chebyshev_points(arb(0), arb("0.0825"), 64)
        values = [((e.log1p() - e) / e**2).mid() for e in points]
        return rounded_polynomial(points, values, points, DEGREES[inner][1], inner)


def quotient_function(kind: str, inner: str) -> Function:
    """The operations of a function in a format."""
    first = Fraction(int(LOG2 * 2 ** FIRST_BITS[inner]), 2 ** FIRST_BITS[inner])
    constants = round_to(1 / LOG2, inner), first, round_to(LOG2 - first, inner)
    return _written(kind, constants, _exponential(inner), _logarithm(inner) if kind == "softplus" else (), inner)


def _magic(inner: str, places: int) -> Constant:
    """``(v + M) - M`` is the multiple of ``2^-places`` next to v."""
    return Constant(Fraction(3) * Fraction(2) ** (FORMATS[inner][0] - 2 - places))


def _written(
    kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], more: tuple[Fraction, ...], inner: str
) -> Function:
    writer, one = Writer(fma=False), Constant(Fraction(1))
    do = writer.do
    inverse, first, rest = map(Constant, constants)

    def nearest(value: Operand, places: int) -> Operand:
        return do("sub", do("add", value, _magic(inner, places)), _magic(inner, places))

    n = nearest(do("mul", INPUT, inverse), 0)
    h = do("sub", INPUT, do("mul", n, first))
    low = do("mul", n, rest)
    r = do("sub", h, low)
    c = do("sub", do("mul", do("mul", r, r), writer.horner(q, r)), low)
    s = do("add", h, c)
    v = do("add", s, one)
    if kind == "softplus":
        lead = do("add", h, one)
        lost = do("add", do("sub", one, lead), h)
        e = do("scale", v, n)
        small = do("mul", do("mul", e, v), writer.horner(more, e))
        value = do("add", lead, do("add", do("add", c, small), lost))
        about = "2^n (V + e V R(e)), e = 2^n V, V = exp(x - n log(2))"
        about += f", polynomials of degree {len(q) - 1} and {len(more) - 1}"
        result = do("scale", value, n)
        return Function(kind, tuple(writer.steps), result, about)
    places = FORMATS[inner][0] // 2 - 1
    near = nearest(s, places)
    p, off = do("add", near, one), do("add", do("sub", h, near), c)
    power = do("scale", one, n)
    over = do("div", one, do("add", do("mul", power, v), one))
    short = nearest(do("mul", v, over), places)
    g = do("mul", short, power)
    left = do("sub", do("sub", p, short), do("mul", p, g))
    left = do("add", left, do("mul", off, do("sub", one, g)))
    left = do("mul", left, over)
    about = f"2^n (q + (V - q D)/D), D = 1 + 2^n V, V = exp(x - n log(2)) with a polynomial of degree {len(q) - 1}"
    if kind == "silu":
        x = nearest(INPUT, SHARES[inner])
        left = do("add", do("mul", do("sub", INPUT, x), short), do("mul", INPUT, left))
        short = do("mul", x, short)
        about = f"x {about}"
    result = do("scale", do("add", short, left), n)
    return Function(kind, tuple(writer.steps), result, about)


# -- the proof -------------------------------------------------------------------------------------------------------


@cache
def quotient_error(function: Function, inner: str) -> Errors:
    """Bounds of the errors, as of :func:`sums.sum_error`, for the arguments of :func:`quotient_domain`.

    Raises
    ------
    ArithmeticError
        where the operations are not those of :func:`quotient_function`.
    """
    kind = function.name
    found = [which.value for _, names in function.steps for which in names if isinstance(which, Constant)]
    (degree, other), start = DEGREES[inner], 5
    q = tuple(reversed(found[start : start + degree + 1]))
    more: tuple[Fraction, ...] = ()
    if kind == "softplus":
        more = tuple(reversed(found[len(found) - other - 1 :]))
    known = kind in QUOTIENTS and len(found) > start + degree + 2
    made = _written(kind, (found[0], found[3], found[4]), q, more, inner) if known else None
    if made is None or (made.steps, made.result) != (function.steps, function.result):
        raise ArithmeticError(f"the operations of {kind} are not those of a quotient with its reduction")
    with working_bits(BITS):
        units, before, after, half = arb(0), arb(0), arb(0), arb(2) ** -FORMATS[inner][0]
        for error, value, scaled in _parts(kind, (found[0], found[3], found[4]), q, more, inner):
            least = abs(value).lower()
            before = before.max((error / least).upper())
            units = units.max((error / (half * (least if scaled else 2 * power_below(least)))).upper())
            after = after.max((error / least + half * (1 + error / least)).upper())
        room = 1 + Fraction(1, 2**20)
        return Errors(*(to_fraction(bound) * room for bound in (units, before, after)))


Part = tuple[arb, arb, bool]


def _parts(
    kind: str, constants: tuple[Fraction, ...], q: tuple[Fraction, ...], more: tuple[Fraction, ...], inner: str
) -> Iterator[Part]:
    inverse, first, rest = constants
    (bits, smallest, _), zero = FORMATS[inner], arb(0)
    run, log2, tiny = Running(bits, zero), arb(2).log(), arb(2) ** (smallest + 8)
    reach = -quotient_domain(kind, inner)[0]
    most = int(reach / LOG2) + 2
    if (first * 2 ** FIRST_BITS[inner]).denominator > 1 or most * first * 2 ** FIRST_BITS[inner] >= 2**bits:
        raise ArithmeticError("n L1 is not exact")
    off = to_arb(reach) * (abs(to_arb(inverse) - 1 / log2) + to_arb(inverse) * run.half) + run.half
    widest = (log2 * (arb(1) / 2 + off)).upper()
    if not widest + most * abs(log2 - to_arb(first)) < arb(3) / 8:
        raise ArithmeticError("a reduced argument that is too large")
    if kind == "silu" and not reach * 2 ** SHARES[inner] < 2 ** (bits // 2):
        raise ArithmeticError("the short part of an argument is too long")
    slip = most * abs(log2 - to_arb(first) - to_arb(rest))
    approximate = exp_distance((Fraction(1), Fraction(1), *q), widest)
    beyond = zero
    if kind == "softplus":
        largest = to_arb(HIGHEST[kind]).exp() * (1 + arb(2) ** -20)
        series = [(-1) ** (k + 1) / arb(k + 2) for k in range(80)]
        beyond = gap(more, series, largest ** len(series), largest.upper())
    for k in range(PARTS):
        ball = widest * arb(2 * k + 1 - PARTS) / PARTS + arb(0, (widest / PARTS).upper())
        low = run.rounded(Ranged(arb(0, (most * abs(to_arb(rest))).upper()), zero))
        h = Ranged(ball + arb(0, (most * abs(log2 - to_arb(first))).upper()), zero)
        r = Ranged(ball, run.sub(h, low).error + slip)
        c = run.sub(run.mul(run.mul(r, r), run.polynomial(q, r, PLAIN)), low)
        # h + c is off by this from V - 1; a square may be subnormal.
        c = Ranged(c.ball, (c.error + slip + approximate * ball.exp() + tiny).upper())
        for n in range(-SINGLE, 1):
            power = arb(2) ** n if n > -SINGLE else (arb(2) ** n).union(zero)
            x = n * log2 + ball if n > -SINGLE else (n * log2 + ball).union(-to_arb(reach))
            if not x.lower() < to_arb(HIGHEST[kind]):
                continue
            if kind == "softplus":
                yield _softplus(run, (h, c, more, beyond), ball, power, tiny)
            else:
                yield _quotient(run, c, ball, (power, x), (kind, inner, n))


def _softplus(
    run: Running, given: tuple[Ranged, Ranged, tuple[Fraction, ...], arb], ball: arb, power: arb, tiny: arb
) -> Part:
    h, c, more, beyond = given
    value = ball.exp()
    v = run.rounded(Ranged(value, run.add(h, c).error))
    # Larger arguments than those of the domain are none.
    e = Ranged((power * value).min(to_arb(HIGHEST["softplus"]).exp()), (power * v.error + tiny).upper())
    small = run.mul(run.mul(e, v), run.polynomial(more, e, PLAIN))
    small = Ranged(small.ball, small.error + abs(e.ball * value) * beyond + tiny)
    lost = Ranged(arb(0, (run.half * power_below(abs(1 + h.ball).upper())).upper()), arb(0))
    last = run.add(run.add(c, small), lost)
    return last.error, value + small.ball + arb(0, small.error.upper()), False


def _quotient(run: Running, c: Ranged, ball: arb, place: tuple[arb, arb], which: tuple[str, str, int]) -> Part:
    (power, x), (kind, inner, n) = place, which
    bits, smallest, _ = FORMATS[inner]
    tiny, unit, zero = arb(2) ** (smallest + 8), arb(2) ** (1 - bits // 2), arb(0)
    value = ball.exp()
    s = run.rounded(Ranged(value - 1, c.error))
    v = run.rounded(Ranged(value, s.error))
    # The short number next to V, and what is left: the difference is exact where h is a multiple of 2^(-1 - bits).
    left = arb(0, (unit / 2 + s.error).upper())
    lost = zero if n else run.half * power_below((abs(left) + abs(c.ball) + c.error).upper())
    rest = run.rounded(Ranged(left, c.error + lost))
    below = 1 + power * value
    over = run.div(Ranged(arb(1), zero), run.rounded(Ranged(below, (power * v.error + tiny).upper())))
    exact = value / below
    near = run.mul(v, over)
    off = (unit / 2 + near.error).upper()
    if not (exact + off).upper() < 2 or not (value + unit).upper() < 2 or not 8 * s.error < 1:
        raise ArithmeticError("a short number that is too long")
    g = power * (exact + arb(0, off))
    # What remains is D (Q - q), of which (V - p)(1 - g) is one part.
    whole = arb(0, (off * below).upper())
    one = run.rounded(Ranged(whole - left * (1 - g), 2 * tiny))
    other = run.mul(rest, run.rounded(Ranged(1 - g, tiny)))
    remains = run.rounded(Ranged(whole, one.error + other.error + tiny))
    part = run.mul(remains, over)
    part = Ranged(arb(0, off), part.error + tiny)
    if kind == "sigmoid":
        return part.error, exact, False
    far = x.min(to_arb(HIGHEST[kind]))
    short = arb(0, (arb(2) ** (-1 - SHARES[inner])).upper())
    if n > -SINGLE:
        first = run.mul(Ranged(short, zero), Ranged(exact + arb(0, off), zero))
        last = run.add(first, run.mul(Ranged(far, zero), part))
        return last.error + tiny, far * exact, False
    # Over x: each rounding is a half of its place at most.
    short = short / abs(far).lower() * (exact + arb(0, off))
    error = part.error + run.half * (abs(short) + (1 + run.half) * (off + part.error)) + tiny
    error += run.half * (1 + 2 * run.half) * (abs(short) + off + part.error)
    return error.upper(), exact, True
