"""Which forms a piece of code in its own format may have: with a base, so that what is added is small."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import log, log2

import numpy as np
from flint import arb

from rational_approx.arithmetic.floats import round_to
from rational_approx.arithmetic.precision import to_arb, to_fraction
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import Expression
from rational_approx.kernels.exp_times import LOWEST, REACHES, ExpForm, Exponent, exponent, short
from rational_approx.kernels.forms import Exponential, Form
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.own_numbers import Numbers
from rational_approx.kernels.scheme import Scheme
from rational_approx.proof.shared_zeros import taylor

__all__ = ["falling_forms", "far_forms", "zero_forms"]

RATES = ((-1, Fraction(0)), (-2, Fraction(0)), (0, Fraction(-1)), (0, Fraction(-1, 2)))
"""Exponentials that are tried away from zero: ``exp(a abs(x) + b x^2)``."""
NEXT = 2.0**-20
"""Not farther from a zero an end of a piece is next to it."""
FALLING = {"exp", "expm1", "sigmoid", "tanh", "softplus", "erf", "erfc", "sinh", "cosh"}
"""Functions that fall as an exponential does, or make others fall so."""
MOST_CHANGE, FLATTER = 8, 3
"""So many powers of two a function may change by over an exponential that it falls like, and so many times as many
without it."""


def zero_forms(numbers: Numbers, formula: Expression) -> Iterator[Form]:
    """Forms for numbers about zero."""
    series = taylor(formula.ball, arb(0), 9)
    c = [series[k] for k in range(9)]
    if not all(each.is_finite() for each in c):
        return
    first = next((k for k, each in enumerate(c) if not each.contains(0)), None)
    if first is None:
        return
    odd, even = (all(each.contains(0) for each in c[k::2]) for k in (0, 1))
    variable = "x^2" if odd or even else "x"
    step = 2 if odd or even else 1
    if first == 0:
        offset = numbers.near(to_fraction(c[0].mid()))
        exactly = bool((c[0] - to_arb(offset)).is_zero())
        yield Form(step if exactly and even else 1 if exactly else 0, variable if even else "x", offset=offset)
        if odd or (exactly and all(each.contains(0) for each in c[2::2])):  # c + an odd function
            yield Form(1, "x^2", offset=offset)
    elif first == 1:
        exponent = round(np.log2(abs(float(c[1]))))
        slope = Fraction(2) ** exponent * (1 if c[1] > 0 else -1)
        exactly = bool((c[1] - to_arb(slope)).is_zero())
        yield Form((3 if odd else 2) if exactly else 1, variable, slope=slope)
    yield Form(first, variable)


def far_forms(
    numbers: Numbers, exp: Function, low: Fraction, high: Fraction, formula: Expression, side: int, exact: bool
) -> Iterator[Form]:
    """Forms for numbers on one side of zero; where it has to be ``exact`` no products of rounded numbers."""
    near, far = sorted((abs(low), abs(high)))
    if far <= 4 * near:
        centre = numbers.near((max(near, far / 2) + min(2 * near, far)) / 2 * side)
        short = round_to(centre, "bfloat16")
        centre = short if far <= 2 * abs(short) and abs(short) <= 2 * near else centre
        value = formula.ball(to_arb(centre))
        if abs(value) < arb(2) ** (numbers.top - 1) and not value.contains(0):
            yield Form(0, "x - c", offset=numbers.near(to_fraction(value.mid())), centre=centre)
        yield from _about_a_zero(numbers, formula, low, high)
    ends = [formula.ball(to_arb(each)) for each in ((low, high) if side > 0 else (high, low))]
    if not all(each.is_finite() for each in ends):
        return
    for base in _bases(numbers, formula, side):
        if base.offset and near >= Fraction(1, 2):
            yield replace(base, variable="1/x")
    for base in _bases(numbers, formula, side):
        if exact and not (base.slope or base.offset):  # a product of rounded numbers
            continue
        for a, b in RATES:
            yield from _decaying(numbers, exp, base, a, b, (near, far), ends, side)


def falling_forms(
    numbers: Numbers, low: Fraction, high: Fraction, formula: Expression, side: int, scheme: Scheme
) -> Iterator[ExpForm]:
    """Forms for numbers on one side of zero where the target falls to 0 as an exponential does."""
    near, far = sorted((abs(low), abs(high)))
    if not FALLING & {node.operator for node in formula.tree.walk()}:
        return
    # Farther out nothing is seen of a function that falls so fast.
    points = [to_arb(side * (near + (far - near) * share)) for share in (Fraction(1, 64), Fraction(1, 2), Fraction(1))]
    values = [formula.ball(x) for x in points]
    if near < Fraction(1, 4) or not all(v.is_finite() and not v.contains(0) for v in values):
        return
    found, fall = [], max(abs(float((each / values[-1]).log())) for each in values[:-1]) / log(2)
    for square, rate in _falls(formula, side):
        how = exponent(square, rate, numbers.format, scheme)
        u = [to_arb(rate) * (x * x if square else x) for x in points]
        if how is None or not u[-1] > LOWEST[numbers.format] or not far < REACHES[numbers.format][square]:
            continue
        rest = [value * (-each).exp() for value, each in zip(values, u)]
        change = max(abs(log2(abs(float(rest[-1] / each)))) for each in rest)
        if change < MOST_CHANGE and FLATTER * change < fall:
            found.append((change, how, rest))
    for _, how, rest in sorted(found, key=lambda each: each[0])[:2]:
        yield from _products(numbers, how, (near, far), (points, rest), formula, side, scheme)


def _products(
    numbers: Numbers,
    how: Exponent,
    reach: tuple[Fraction, Fraction],
    seen: tuple[list[arb], list[arb]],
    formula: Expression,
    side: int,
    scheme: Scheme,
) -> Iterator[ExpForm]:
    (near, far), (points, rest) = reach, seen
    if all(abs(each / x - 1) < arb(1) / 4 for each, x in zip(rest, points)):
        yield ExpForm(how, None, 1, "e", 1)
    digits = numbers.bits if scheme.fma else numbers.bits // 2
    last = short(to_fraction(rest[-1].mid()), digits)
    if all(abs(each / to_arb(last) - 1) < arb(1) / 4 for each in rest):
        if not how.square:
            yield ExpForm(how, last, 0, "e")
        yield ExpForm(how, last, 0, "1/x")
    if far <= 4 * near:
        centre = round_to((near + far) / 2 * side, "bfloat16")
        if not far <= 2 * abs(centre) or not abs(centre) <= 2 * near:
            centre = numbers.near((max(near, far / 2) + min(2 * near, far)) / 2 * side)
        c = to_arb(centre)
        value = formula.ball(c) * (-to_arb(how.rate) * (c * c if how.square else c)).exp()
        yield ExpForm(how, short(to_fraction(value.mid()), digits), 0, "x - c", centre=centre)


def _falls(formula: Expression, side: int) -> Iterator[tuple[bool, Fraction]]:
    """Exponents, squares of x or not with their factors, that a formula may fall like."""
    yield from ((True, Fraction(-1, 2)), (True, Fraction(-1)))
    found = [node.value for node in formula.tree.walk() if node.value]
    rates = [Fraction(1), Fraction(2), *(abs(each) for each in found if Fraction(1, 8) < abs(each) < 8)]
    yield from ((False, -side * rate) for rate in dict.fromkeys(rates))


def _about_a_zero(numbers: Numbers, formula: Expression, low: Fraction, high: Fraction) -> Iterator[Form]:
    """Forms beside a zero of the target at an end that is next to a number of few digits: x less that is exact."""
    for end in (low, high):
        zero = Fraction(round(end * 16), 16)
        if not 0 < abs(end - zero) < NEXT or not (max(abs(low), abs(high)) <= 2 * abs(zero)):
            continue
        value, slope, more = (taylor(formula.ball, to_arb(zero), 3)[k] for k in range(3))
        if value.contains(0) and arb(value.rad()) < NEXT and slope.is_finite() and not slope.contains(0):
            exponent = round(log2(abs(float(slope))))
            power = Fraction(2) ** exponent * (1 if slope > 0 else -1)
            exactly = bool((slope - to_arb(power)).is_zero()) and more.is_finite()
            yield Form(2 if exactly else 1, "x - c", slope=power, centre=zero)


def _bases(numbers: Numbers, formula: Expression, side: int) -> Iterator[Form]:
    """What the target comes near to far out: a constant, x, or nothing but 0."""
    far = to_arb(Fraction(side * 2**40))
    try:
        value = formula.ball(far)
    except (Undecided, ValueError, ZeroDivisionError):
        return
    if abs(value) < arb(2) ** -60:
        yield Form(0, "x")
    elif abs(value) < 2**20:
        yield Form(0, "x", offset=numbers.near(to_fraction(value.mid())))
    elif abs(value / far - 1) < arb(2) ** -30:
        yield Form(0, "x", slope=Fraction(1))


def _decaying(
    numbers: Numbers,
    exp: Function,
    base: Form,
    a: int,
    b: Fraction,
    reach: tuple[Fraction, Fraction],
    ends: list[arb],
    side: int,
) -> Iterator[Form]:
    """Forms with an exponential that the distance from the base may follow."""
    e = Exponential((Fraction(a * side), b, Fraction(0)), exp)
    for times in (0, 1):
        sizes = []
        for x, value in zip(reach, ends):
            x = side * x
            gap = value - to_arb(base.slope * x + base.offset)
            size = to_arb(e.rates[0] * x + e.rates[1] * x * x).exp() * to_arb(x) ** times
            sizes.append(float(abs(gap / size)) if not gap.contains(0) else 0.0)
        if not all(1e-30 < each < 1e30 for each in sizes):
            continue
        change = abs(np.log2(sizes[0] / sizes[1]))
        if b == 0 and change < 6 and not times and base.offset:
            yield replace(base, variable="e", exponential=e)  # with what the base lacks of a limit
        if b == 0 and change < 6:
            yield replace(base, times=times, variable="e", exponential=e, decays=True)
        if b != 0 and change < 12:
            yield replace(base, times=times, variable="x", exponential=e, decays=True)
