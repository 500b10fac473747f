"""Sines and cosines that calculate in the format of their results: what is proved, and attacks on the verifier."""

import random
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from flint import arb

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.arithmetic.precision import to_arb, to_fraction, working_bits
from rational_approx.kernels.kernel import Function, Piece
from rational_approx.kernels.own_sines import MODERATE, own_sine, own_sine_error
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.sines import Turns
from rational_approx.programs.program import Constant, Operand, Result
from rational_approx.verifier.lines import wave_of
from rational_approx.verifier.own_sines import OwnWave
from rational_approx.verifier.reading import Failure

FIRST = -1
"""Functions begin where the piece about zero ends."""


@cache
def turns() -> Turns:
    with working_bits(1400):
        turn = 1 / (2 * arb.pi())
        return Turns(to_fraction(turn.lower()), to_fraction(turn.upper()))


@cache
def made(kind: str, format: str, reach: int, scheme: Scheme = PLAIN) -> Function:
    return own_sine(kind, turns(), format, reach, scheme)


def document(function: Function) -> tuple[list, object]:
    """Steps and result as the verifier reads them."""

    def operand(which: Operand) -> object:
        if isinstance(which, Constant):
            return float(which.value)
        return which.step if isinstance(which, Result) else "x"

    return [(op, [operand(w) for w in names]) for op, names in function.steps], operand(function.result)


def proved(kind: str, steps: list, result: object, format: str, ends: tuple[int, int], flush: bool = False) -> tuple:
    wave = OwnWave(steps, result, kind == "cos", wave_of(("x",), kind == "cos"), format, flush)
    return wave.errors(*ends)


def near_quarters(format: str, exponents: range) -> list[Fraction]:
    """Numbers of a format that are nearest to multiples of pi/2."""
    digits, out = FORMATS[format][0], []
    for e in exponents:
        z = (turns().low + turns().high) * 2 * Fraction(2) ** e
        top, bottom, a, b, c, d = z.numerator, z.denominator, 1, 0, 0, 1
        while bottom and b < 2**digits:
            digit = top // bottom
            a, b, c, d = a * digit + c, b * digit + d, a, b
            top, bottom = bottom, top - digit * bottom
            out += [m * Fraction(2) ** e for m in (b, b + d, b - d, 2 * b, 3 * b) if 2 ** (digits - 1) <= m < 2**digits]
    return out


def worst_seen(kind: str, steps_of: Function, format: str, numbers: list[float]) -> float:
    """The largest error in units in the last place, beside arb."""
    x = np.array(numbers, format)
    piece, worst = Piece(float("inf"), steps_of.steps, steps_of.result, ""), 0.0
    with np.errstate(all="ignore"):
        y = piece(x)
    with working_bits(1400):
        for point, got in zip(x, y):
            if not np.isfinite(got):
                return float("inf")
            value = getattr(arb(float(point)), kind)()
            mantissa, exponent = abs(value).mid().man_exp()
            unit = arb(2) ** (int(exponent) + int(mantissa).bit_length() - FORMATS[format][0])
            worst = max(worst, float(abs((value - arb(float(got))) / unit).upper()))
    return worst


def numbers_of(format: str, last: int, count: int, seed: int) -> list[float]:
    """Random numbers of all binades, and those next to multiples of pi/2."""
    rng, digits = random.Random(seed), FORMATS[format][0]
    near = near_quarters(format, range(FIRST + 1 - digits, last + 1 - digits))
    near = [x for x in near if 2**FIRST <= x < Fraction(2) ** last]
    points = [float(each) for each in rng.sample(near, min(count, len(near)))]
    return points + [rng.choice((-1, 1)) * rng.uniform(1, 2) * 2.0 ** rng.randrange(FIRST, last) for _ in range(count)]


@pytest.mark.parametrize("kind", ["sin", "cos"])
@pytest.mark.parametrize("format", ["float32", "float64"])
@pytest.mark.parametrize("scheme", [PLAIN, Scheme("horner", True)], ids=["plain", "fused"])
def test_errors_are_bounded_and_seen(kind: str, format: str, scheme: Scheme) -> None:
    # The largest error beside arb, with the last rounding, is below what both sides prove, and both prove 1 ulp.
    reach = MODERATE[format]
    function = made(kind, format, reach, scheme)
    own = own_sine_error(function, turns(), format, (FIRST, reach - 1), False)
    other = proved(kind, *document(function), format, (FIRST, reach - 1))
    assert own.units < Fraction(1, 2)
    assert abs(other[0] - own.units) < Fraction(1, 100)
    assert worst_seen(kind, function, format, numbers_of(format, reach, 80, 1)) <= float(other[0]) + 0.5


@pytest.mark.slow
@pytest.mark.parametrize("format", ["float32", "float64"])
def test_all_numbers(format: str) -> None:
    top = FORMATS[format][2]
    for kind in ("sin", "cos"):
        function = made(kind, format, top)
        other = proved(kind, *document(function), format, (MODERATE[format], top - 1))
        assert other[0] < Fraction(1, 2)
        assert worst_seen(kind, function, format, numbers_of(format, top, 3000, 2)) <= float(other[0]) + 0.5


def mutants(function: Function, count: int, seed: int) -> list[Function]:
    """Functions with one constant, operation, operand or result changed, constants by little or by much."""
    rng, out = random.Random(seed), []
    while len(out) < count:
        steps = list(function.steps)
        k = rng.randrange(len(steps))
        op, names = steps[k]
        what, at = rng.randrange(4), rng.randrange(len(names))
        operand, result = names[at], function.result
        if what == 0 and isinstance(operand, Constant):
            factor = rng.choice((1 + Fraction(1, 2 ** rng.randrange(4, 24)), Fraction(2), Fraction(1, 2), Fraction(-1)))
            value = Fraction(float(np.float32(float(operand.value * factor))))
            steps[k] = steps[k]._replace(operands=(*names[:at], Constant(value), *names[at + 1 :]))
        elif what == 1 and op in ("add", "sub", "mul"):
            steps[k] = steps[k]._replace(op=rng.choice([each for each in ("add", "sub", "mul") if each != op]))
        elif what == 2 and k:
            steps[k] = steps[k]._replace(operands=(*names[:at], Result(rng.randrange(k)), *names[at + 1 :]))
        elif what == 3:
            result = Result(rng.randrange(len(steps)))
        changed = Function(function.name, tuple(steps), result, "")
        if (changed.steps, changed.result) != (function.steps, function.result):
            out.append(changed)
    return out


@pytest.mark.parametrize("kind", ["sin", "cos"])
def test_what_is_changed_is_refused_or_keeps_its_bound(kind: str) -> None:
    # One change each: what the verifier still accepts is run, next to zeros as well, and must be as good as it says.
    function, reach, accepted = made(kind, "float32", MODERATE["float32"]), MODERATE["float32"], 0
    points = numbers_of("float32", reach, 150, 3)
    for mutant in mutants(function, 60, 4 + (kind == "cos")):
        try:
            units = proved(kind, *document(mutant), "float32", (FIRST, reach - 1))[0]
        except Failure:
            continue
        accepted += 1
        if units < 100:
            assert worst_seen(kind, mutant, "float32", points) <= float(units) + 0.5
    assert accepted < 30


@pytest.mark.parametrize("place", range(4))
def test_constants_that_are_off_are_not_good_enough(place: int) -> None:
    # The parts of 1 / (2 pi): each counts, the last one next to zeros alone.
    function = made("sin", "float32", MODERATE["float32"])
    steps, result = document(function)
    at = [k for k, (op, names) in enumerate(steps) if op == "mul" and names[0] == 2 and isinstance(names[1], float)]
    value = steps[at[place]][1][1]
    changed = float(to_fraction(to_arb(Fraction(value)) * (1 + arb(2) ** -8)))
    others = [(op, [changed if name == value else name for name in names]) for op, names in steps]
    with pytest.raises(Failure):
        proved("sin", others, result, "float32", (FIRST, MODERATE["float32"] - 1))


def test_a_sine_is_no_cosine() -> None:
    steps, result = document(made("sin", "float32", MODERATE["float32"]))
    with pytest.raises(Failure):
        proved("cos", steps, result, "float32", (3, 4))


def test_numbers_beyond_the_reach_are_not_proved() -> None:
    steps, result = document(made("sin", "float64", MODERATE["float64"]))
    for ends in ((-1070, -1070), (90, 90), (1000, 1023)):
        with pytest.raises(Failure):
            proved("sin", steps, result, "float64", ends)
