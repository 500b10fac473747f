"""The verifier: the errors of exponentials and logarithms whose last operation adds a small number to an exact one.

The steps must be those of the law. The reduced argument is cut into parts, and on each of them the operations are
followed with half a unit in the last place each. Standard library only.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import Any

from .intervals import Interval, size
from .logarithms import distance
from .reading import Failure, need
from .reductions import relative
from .running import Order, Ranged, Running, Written
from .steps import FORMATS, alike, rounded

__all__ = ["FROM", "SUMS", "domain", "sum_errors"]

SUMS = ("exp", "expm1", "log", "log1p")
FROM = {"expm1": Fraction(511, 1024), "log1p": Fraction(255, 1024)}
"""Arguments nearer to zero are not proved."""
FIRST = {"float32": 16, "float64": 40}
PARTS, SINGLE = 192, 5
HORNER_FUSED = Order(False, True)
Part = tuple[int, Interval, bool]
"""The error before the last sum is rounded, the values, and whether both are in proportion to any value."""


def domain(kind: str, inner: str) -> tuple[Fraction, Fraction]:
    """Arguments for which a function is proved; a logarithm for all normal positive ones."""
    digits, smallest, top = FORMATS[inner]
    if kind in ("log", "log1p"):
        return Fraction(0 if kind == "log" else -1), Fraction(2) ** (top + 1)
    high = Fraction(8873, 100) if inner == "float32" else Fraction(70979, 100)
    low = {"exp": {"float32": -104, "float64": -746}, "expm1": {"float32": -15, "float64": -36}}[kind][inner]
    need(digits in (24, 53) and smallest < 0, "no format for sums")
    return Fraction(low), high


def sum_errors(
    kind: str, steps: list[Any], result: Any, inner: str, flush: bool = False
) -> tuple[Fraction, Fraction, Fraction]:
    """Bounds of the error before the last sum is rounded, in units in the last place and relative, and after it; with
    ``flush`` also on machines that replace subnormal numbers by zero."""
    fused, (digits, smallest, _) = any(op == "fma" for op, _ in steps), FORMATS[inner]
    found = [name for _, names in steps for name in names if isinstance(name, float)]
    first, last = {"exp": (5, 1), "expm1": (5, 4), "log": (4, 2), "log1p": (7, 2)}[kind]
    last += fused  # of fused operations the last constant but one stands there twice
    need(len(found) > first + last + 1, "a function that is no sum with its reduction")
    run = Running(digits, Fraction(2) ** (smallest + digits - 1) if flush else Fraction(0))
    for order in (Order(False, fused), Order(True, fused)):
        inside = found[first : len(found) - last]
        if kind in ("exp", "expm1"):
            numbers = [found[0], *(-each if fused else each for each in found[3:5])]
            q = [inside[-1], *order.coefficients(inside[:-1])]
            written, end = exponential_steps(kind, numbers, q, digits, order)
        else:
            numbers = found[-2:] if fused else found[:-3:-1]
            q = order.coefficients(inside)
            written, end = logarithm_steps(kind, numbers, q, order)
        if alike(steps, written) and alike(result, end):
            parts = exponential_parts if kind in ("exp", "expm1") else logarithm_parts
            return worst(parts(kind, list(map(Fraction, numbers)), list(map(Fraction, q)), (inner, order), run), digits)
    raise Failure("a function that is no sum with its reduction")


def worst(parts: Iterator[Part], digits: int) -> tuple[Fraction, Fraction, Fraction]:
    """The largest errors of all parts."""
    units, before, after, half = Fraction(0), Fraction(0), Fraction(0), Fraction(1, 2**digits)
    for error, value, scaled in parts:
        least, most = max(value[0], -value[1]), size(value) + error
        need(least > 0, "a function that may be zero")
        share = Fraction(error, least)
        place = least if scaled else max(least, 2 << least.bit_length() - 1)
        units = max(units, Fraction(error << digits, place))
        before = max(before, share)
        after = max(after, share + min(half * Fraction(1 << most.bit_length() - 1, least), half * (1 + share)))
    return tuple(Fraction(ceil(bound * 2**100), 2**100) for bound in (units, before, after))  # type: ignore[return-value]


def exponential_steps(
    kind: str, numbers: list[float], q: list[float], digits: int, order: Order
) -> tuple[list[Any], int]:
    """The steps of exp or expm1, and the number of the result."""
    # Between 2^(digits - 1) and 2^digits, where numbers are 1 apart; of fused steps a little more than in the middle.
    out, magic = Written(), 3.0 * 2 ** (digits - 2) + ({24: 254.0, 53: 2046.0}[digits] if order.fused else 0.0)
    inverse, first, rest = numbers
    n = out.do("sub", out.plus("x", inverse, magic, order.fused), magic)
    h = out.minus("x", n, first, order.fused)
    r = out.minus(h, n, rest, order.fused)
    if kind == "exp" and order == HORNER_FUSED:
        out_of = out.polynomial([1.0, 1.0, *q], r, order)
        return out.steps, out.do("scale", out_of, n)
    square = out.do("mul", r, r)
    small = out.plus(out.polynomial(q[1:], r, order), r, q[0], order.fused)
    if kind == "exp":
        c = out.minus(out.do("mul", square, small), n, rest, order.fused)
        return out.steps, out.do("scale", out.do("add", out.do("add", h, c), 1.0), n)
    more = None if order.fused else out.do("mul", square, small)
    power = out.do("scale", 1.0, out.do("sub", 0.0, n))
    lead = out.do("sub", 1.0, power)
    lost = out.do("sub", out.do("sub", 1.0, lead), power)
    total = out.do("add", lead, h)
    over = out.do("add", out.do("add", out.do("sub", lead, total), h), lost)
    over = out.minus(over, n, rest, order.fused)
    over = out.do("fma", square, small, over) if order.fused else out.do("add", over, more)
    return out.steps, out.do("scale", out.do("add", total, over), n)


def logarithm_steps(kind: str, numbers: list[float], q: list[float], order: Order) -> tuple[list[Any], int]:
    """The steps of log or log1p, and the number of the result."""
    out, fused = Written(), order.fused
    first, rest = numbers
    u: Any = "x"
    if kind == "log1p":
        u = out.do("add", "x", 1.0)
        part = out.do("sub", u, 1.0)
        lost = out.do("add", out.do("sub", 1.0, out.do("sub", u, part)), out.do("sub", "x", part))
    k = out.do("exponent", u)
    f = out.do("sub", out.do("scale", u, out.do("sub", 0.0, k)), 1.0)
    s = out.do("div", f, out.do("add", f, 2.0))
    z = out.do("mul", s, s)
    square = out.do("mul", out.do("mul", f, f), 0.5)
    inside = out.plus(z, out.polynomial(q, z, order), square, fused)
    # Small numbers join what the first sum loses.
    c = None if fused else out.do("mul", s, inside)
    small = None if fused else out.do("mul", k, rest)
    beside = out.do("div", lost, u) if kind == "log1p" else None
    lead = out.do("mul", k, first)
    total = out.do("fma", k, first, f) if fused else out.do("add", lead, f)
    over = out.do("add", out.do("sub", lead, total), f)
    over = out.do("fma", k, rest, over) if fused else out.do("add", over, small)
    over = over if beside is None else out.do("add", over, beside)
    over = out.do("fma", s, inside, over) if fused else out.do("add", over, c)
    return out.steps, out.do("add", total, out.do("sub", over, square))


def short_enough(first: Fraction, most: int, inner: str) -> None:
    """Integers up to a size times the first part of log(2) are exact."""
    scaled = first * 2 ** FIRST[inner]
    need(scaled.denominator == 1 and most * abs(scaled) < 2 ** FORMATS[inner][0], "a product is not exact")


def exponential_parts(
    kind: str, numbers: list[Fraction], q: list[Fraction], how: tuple[str, Order], run: Running
) -> Iterator[Part]:
    """Errors and values for parts of the reduced argument."""
    inner, order = how
    (inverse, first, rest), (digits, smallest, _) = numbers, FORMATS[inner]
    half = Fraction(1, 2**digits)
    one, log2 = run.one, Fraction(run.math.log(2 * run.one)[0], run.one)
    near = Fraction(1, 2**240)  # more than log2 is off
    reach = max(map(abs, domain(kind, inner)))
    most = int(reach * abs(inverse)) + 2
    if order.fused:  # the product is not rounded: its last place counts, as below
        need((first * 2**digits).denominator == 1, "a part of log(2) that is too long")
    else:
        short_enough(first, most, inner)
    off = reach * (abs(inverse - 1 / log2) + near + abs(inverse) * half) + half
    widest = (log2 + near) * (Fraction(1, 2) + off)
    widest = Fraction(ceil(widest * 2**80), 2**80)
    # The argument is a multiple of 2^-(digits + 1) where n is not 0, and so is n L1; the difference is less than 1/2,
    # and so it is exact.
    apart = most * (abs(log2 - first) + near)
    need(widest + apart < Fraction(3, 8), "a reduced argument that is too large")
    slip = run.math.exact(most * (abs(log2 - first - rest) + near))[1]
    p = [Fraction(1), Fraction(1), *q]
    gap = run.math.exact(max(relative(p, widest * (2 * k + 1 - 24) / 24, widest / 24) for k in range(24)))[1]
    low = run.around(most * abs(rest))
    low = low if order.fused else run.rounded(low.exact, 0)
    for k in range(PARTS):
        ends = widest * (2 * k - PARTS) / PARTS, widest * (2 * k + 2 - PARTS) / PARTS
        ball = run.known(*ends).exact
        h = Ranged(run.known(ends[0] - apart, ends[1] + apart).exact, run.tiny)  # the argument may be flushed
        r = Ranged(ball, run.sub(h, low).error + slip)
        square = run.mul(r, r)
        small = run.plus(run.polynomial(q[1:], r, order), r, run.known(q[0], q[0]), order.fused)
        own = slip + (gap * run.exp(ball)[1] >> run.math.bits) + 1 + (one >> -smallest - 8)
        if kind == "exp" and order == HORNER_FUSED:
            inside = run.plus(small, r, run.known(Fraction(1), Fraction(1)), True)
            yield run.product(inside, r).error + own, run.exp(ball), False
        elif kind == "exp":
            yield run.add(h, run.sub(run.mul(square, small), low)).error + own, run.exp(ball), False
        else:
            c = run.product(square, small) if order.fused else run.mul(square, small)
            # 2^-n may be flushed, and what the sum with it loses.
            yield from expm1_parts(run, ends, (h, low, c), own + 2 * run.tiny, log2)


def expm1_parts(
    run: Running, ends: tuple[Fraction, Fraction], given: tuple[Ranged, Ranged, Ranged], own: int, log2: Fraction
) -> Iterator[Part]:
    """The same for each power of two: n is -digits at least, so that what the sums with 1 and with h lose is exact."""
    (h, low, c), one = given, run.one
    for n in range(-SINGLE, SINGLE + 1):
        # What lies nearer to zero than that is none of the arguments.
        a, b = (max(end, FROM["expm1"] - n * log2) if n > 0 else min(end, -FROM["expm1"] - n * log2) for end in ends)
        if n == 0 or a >= b:
            continue
        power, grown = Fraction(1, 2) ** n, run.exp(run.known(a, b).exact)
        least = 0 if n == SINGLE else int(power * one)
        most = int(power * one)
        lead = max(abs(one - least), abs(one - most))
        rest = Ranged((-run.half_place(lead + size(h.exact)), run.half_place(lead + size(h.exact))), 0)
        lost = Ranged((-run.half_place(lead), run.half_place(lead)), 0)
        last = run.add(run.sub(run.add(rest, lost), low), c)
        yield last.error + own, (grown[0] - most, grown[1] - least), False
        if n == -SINGLE:  # and all below, over 2^-n: what is lost is half a place of 2 at most
            small = 3 * (((c.size + low.size) * one // lead) + (4 * one >> run.digits) >> run.digits) + 3
            error = (c.error + low.error + own) * one // lead + 1 + small
            yield error, (one - grown[1] * one // lead - 1, one), False


def logarithm_parts(
    kind: str, numbers: list[Fraction], q: list[Fraction], how: tuple[str, Order], run: Running
) -> Iterator[Part]:
    """Errors and values for parts of m, and powers of two."""
    inner, order = how
    (first, rest), (digits, smallest, top) = numbers, FORMATS[inner]
    half, near = Fraction(1, 2**digits), Fraction(1, 2**240)
    one, log2 = run.one, Fraction(run.math.log(2 * run.one)[0], run.one)
    most = max(top, digits - smallest) + 1
    short_enough(first, most, inner)
    middle = rounded(Fraction(70710678118654752440084436210485, 10**32), inner)
    low, high = middle - 1, 2 * middle - 1
    reach = (max(high / (high + 2), -low / (low + 2)) * (1 + 4 * half)) ** 2
    reach = Fraction(ceil(reach * 2**80), 2**80)
    series = [Fraction(2, 2 * k + 3) for k in range(50)]
    gap = run.math.exact(distance(q, series, reach) + 2 * reach ** len(series))[1]
    slip = most * (abs(log2 - first - rest) + near)
    more = Ranged(run.around(half).exact, run.math.exact(3 * half**2)[1] + run.tiny)
    for j in range(PARTS):
        ends = low + (high - low) * j / PARTS, low + (high - low) * (j + 1) / PARTS
        f = run.known(*ends)
        s = run.div(f, run.add(f, run.known(Fraction(2), Fraction(2))))
        z = run.mul(s, s)
        squared = run.mul(f, f)
        missed, wide = squared.error // 2 + 1, squared.exact
        square = Ranged((wide[0] - squared.error >> 1, -(-(wide[1] + squared.error) >> 1)), 0)
        inside = run.plus(z, run.polynomial(q, z, order), square, order.fused)
        c = run.product(s, inside) if order.fused else run.mul(s, inside)
        # What the square is off by counts 1 - s times; s is below 0.18 in size.
        apart = one - s.exact[0]
        own = (gap * size(s.exact) ** 3 >> 3 * run.math.bits) + (missed * apart >> run.math.bits) + 2
        value = run.log((one + f.exact[0], one + f.exact[1]))
        furthest = max(map(abs, ends))
        if kind == "log" and ends[0] <= 0 <= ends[1]:
            # The correction is about -f^2/2, and known within 8 roundings: both over f.
            share = 8 * half * furthest + Fraction(gap, one) * furthest**2
            yield run.math.exact(share / (1 - furthest))[1], (one, one), True
        elif kind == "log":
            yield run.sub(run.rounded(*c) if order.fused else c, square).error + own, value, False
        elif furthest >= FROM["log1p"]:
            least = [max(end, FROM["log1p"]) if ends[1] > 0 else min(end, -FROM["log1p"]) for end in ends]
            narrow = run.known(*least).exact
            beyond = run.log((one + narrow[0], one + narrow[1]))
            yield run.sub(run.add(more, c), square).error + own, beyond, False
        for k in (-2, -1, 1, 2):
            times = most if abs(k) == 2 else 1
            outer = sorted((k * log2, k * log2 * times))
            lead = run.known(outer[0] - times * near, outer[1] + times * near).exact
            small = run.around(times * abs(rest))
            small = small if order.fused else run.rounded(*small)
            lost = run.half_place(size(lead) + size(f.exact))
            last = run.add(Ranged((-lost, lost), 0), small)
            # A fused product is exact, and rounded with the sum.
            last = run.sub(run.add(run.add(last, more) if kind == "log1p" else last, c), square)
            error = last.error + own + run.math.exact(slip * times / most)[1]
            yield error, (lead[0] + value[0], lead[1] + value[1]), False
