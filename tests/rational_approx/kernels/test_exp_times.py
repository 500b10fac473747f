"""``exp(u) (b + w)`` in its own format: changed code is not proved, or what is proved of it holds."""

import random
from bisect import bisect_left
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import inf

import numpy as np
import pytest
from scipy.special import expit, ndtr

from rational_approx.arithmetic.precision import working_bits
from rational_approx.expressions.expression import parse
from rational_approx.kernels.boxes import between
from rational_approx.kernels.enclosed import NotProved, judge_of
from rational_approx.kernels.exp_bounds import ExpTimesJudge
from rational_approx.kernels.exp_times import ExpForm, exponent
from rational_approx.kernels.fine import rounded_polynomial
from rational_approx.kernels.kernel import ARITY, Kernel
from rational_approx.kernels.own_numbers import Numbers
from rational_approx.kernels.own_pieces import Pieces
from rational_approx.kernels.scheme import Scheme
from rational_approx.programs.program import INPUT, Constant, Input, Result, Step
from rational_approx.verifier.boxes import Inner
from rational_approx.verifier.exp_times import ExpTimesJudge as OtherJudge
from rational_approx.verifier.exp_times import known_product
from rational_approx.verifier.jets import Arithmetic
from rational_approx.verifier.reading import Failure, read
from rational_approx.verifier.steps import FORMATS
from tests.rational_approx.kernels.test_quotients import constant, end, operand, operation, wire

TARGETS = {
    "gelu": ("x / 2 * (1 + erf(x / sqrt(2)))", (Fraction(-6), Fraction(-3)), lambda x: x * ndtr(x)),
    "swish": ("x * sigmoid(1.702 * x)", (Fraction(-9), Fraction(-4)), lambda x: x * expit(1.702 * x)),
    "gauss": ("exp(-x^2)", (Fraction(2), Fraction(4)), lambda x: np.exp(-x * x)),
    "odd": ("x * exp(-x^2 / 2)", (Fraction(2), Fraction(9)), lambda x: x * np.exp(-x * x / 2)),
}
"""A formula, numbers between which it is looked at, and its values in float64."""
FORMS = {
    "gelu": lambda how, digits: ExpForm(how, Fraction(-1577, 4096), 0, "x - c", centre=Fraction(-9, 2)),
    "swish": lambda how, digits: ExpForm(how, None, 1, "e", 1),
    "gauss": lambda how, digits: ExpForm(how, Fraction(1), 0, "e"),
    "odd": lambda how, digits: ExpForm(how, None, 1, "e", 1),
}
RATES = {"gelu": (True, Fraction(-1, 2)), "swish": (False, Fraction(1702, 1000)), "gauss": (True, Fraction(-1))}
RATES["odd"] = RATES["gelu"]
DEGREES = {"gelu": 9, "swish": 3}
SCHEMES = {
    "plain": Scheme(),
    "fma": Scheme(fma=True),
    "flush": Scheme(fma=True, flush=True),
    "estrin": Scheme("estrin"),
}
ULPS = [Fraction(k, 16) for k in (9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 24, 32, 64, 256, 4096, 2**20)]


def made(kind, how):
    """A piece, the formula, and the scheme."""
    text, (low, high), _ = TARGETS[kind]
    scheme, numbers = SCHEMES[how], Numbers("float32")
    with working_bits(240):
        formula = parse(text).on(low, high)
        of_u = exponent(*RATES[kind], "float32", scheme)
        pieces, form = Pieces(numbers, 1.0, scheme), FORMS[kind](of_u, 24)
        top = ()
        if kind in DEGREES:
            top = rounded_polynomial(*pieces.data(form, low, high, formula), DEGREES[kind], "float32")
        return pieces.written(form, top, (Fraction(1),), high), formula, scheme


def boxes(kind):
    low, high = TARGETS[kind][1]
    for k in (1, 3, 5, 7):
        a = low + (high - low) * k / 8
        yield Fraction(float(np.float32(float(a)))), a + (high - low) / 2**12


def stated(piece, formula, scheme, kind, by):
    """For some boxes a bound of the error in units in the last place; None where the piece is refused."""
    out = []
    if by == "package":
        with working_bits(192):
            try:
                kernel = Kernel("float32", "float32", (piece,), (), scheme)
                judge = judge_of(piece, formula, kernel, TARGETS[kind][1])
            except (NotProved, ArithmeticError):
                return None
            if not isinstance(judge, ExpTimesJudge):
                return None
            return [(a, b, judge.found(between(a, b)).ulp) for a, b in boxes(kind)]
    steps = [(op, [operand(name) for name in names]) for op, names in piece.steps]
    inner = Inner(*FORMATS["float32"], True, scheme.flush)
    try:
        known = known_product(steps, operand(piece.result), "float32")
        if known is None:
            return None
        math = Arithmetic(64 + 128 + 149, inf)
        judge = OtherJudge(math, (steps, operand(piece.result)), read(TARGETS[kind][0]), ("float32", inner), known)
    except Failure:
        return None

    def within(box, ulp):
        try:
            return judge.outcome((*box, False), FORMATS["float32"], ulp, Fraction(1, 2)).holds
        except Failure:
            return False

    for box in boxes(kind):
        place = bisect_left(ULPS, True, key=partial(within, box))
        out.append((*box, float(ULPS[place]) if place < len(ULPS) else inf))
    return out


def holds(piece, found, kind, scheme, count=3000):
    """Whether the errors at numbers of the boxes are within what is stated."""
    kernel, truth = Kernel("float32", "float32", (replace(piece, upper=inf),), (), scheme), TARGETS[kind][2]
    rng = np.random.default_rng(5)
    for a, b, ulp in found:
        x = rng.uniform(float(a), float(b), count).astype("float32")
        true = truth(x.astype(float))
        for machine in scheme.machines:
            error = abs(kernel(x, machine).astype(float) - true) / 2.0 ** (np.frexp(true)[1] - 24)
            if not np.nan_to_num(error, nan=inf).max() <= ulp + 1e-6:
                return False
    return True


CASES = [("gelu", "plain"), ("gelu", "fma"), ("swish", "plain"), ("swish", "flush"), ("gauss", "estrin")]
CASES += [("odd", "fma")]


@pytest.mark.parametrize(("kind", "how"), CASES)
def test_both_proofs_state_about_the_same_and_it_holds(kind, how):
    piece, formula, scheme = made(kind, how)
    own, other = (stated(piece, formula, scheme, kind, by) for by in ("package", "verifier"))
    assert holds(piece, own, kind, scheme)
    for (_, _, one), (_, _, again) in zip(own, other):
        assert one < 1.2
        assert one - 0.02 <= again <= one + 0.15  # of a list of errors


@pytest.mark.parametrize("by", ["package", "verifier"])
@pytest.mark.parametrize(
    ("kind", "how", "times"),
    [("gelu", "plain", 1), *(pytest.param(kind, how, 6, marks=pytest.mark.slow) for kind, how in CASES)],
)
def test_of_changed_code_nothing_false_is_stated(kind, how, times, by):
    rng, (piece, formula, scheme), accepted = random.Random(11), made(kind, how), 0
    for change, count in ((constant, 14), (operation, 6), (wire, 8), (end, 2)):
        for _ in range(count * times):
            other = change(piece, rng)
            known = other != piece and all(len(names) == ARITY[op] for op, names in other.steps)
            found = None if not known else stated(other, formula, scheme, kind, by)
            if found is not None:
                accepted += 1
                assert holds(other, found, kind, scheme), (change.__name__, other.steps)
    assert accepted or kind in ("gauss", "odd")  # coefficients may be other ones


@pytest.mark.parametrize("by", ["package", "verifier"])
@pytest.mark.parametrize("how", ["plain", "fma"])
@pytest.mark.parametrize("kind", ["gauss", "odd"])
def test_what_a_base_alone_is_off_by_counts(kind, how, by):
    """Where nothing is added to the base, it was left out: of twice the function the code was said to be right."""
    piece, _, scheme = made(kind, how)
    text, ends, truth = TARGETS[kind]
    for factor, ulp in (("2", 2**22), ("1 + 2^(-20)", 7)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(TARGETS, kind, (f"({text}) * ({factor})", ends, truth))
            found = stated(piece, parse(TARGETS[kind][0]).on(*ends), scheme, kind, by)
        assert min(each for _, _, each in found) > ulp


def test_numbers_with_too_many_digits_are_no_exact_products():
    piece, formula, scheme = made("gelu", "plain")
    base = Fraction(float(np.float32(-0.385)))

    def moved(which):
        return Constant(base) if which == Constant(Fraction(-1577, 4096)) else which

    other = replace(piece, steps=tuple(Step(op, tuple(map(moved, names))) for op, names in piece.steps))
    assert other != piece
    for by in ("package", "verifier"):
        assert stated(other, formula, scheme, "gelu", by) is None


def test_the_operands_of_the_factor_are_its_own():
    piece, formula, scheme = made("swish", "plain")
    # A step of the factor that takes the lead of exp(u) in the place of x.
    steps = list(piece.steps)
    k = next(k for k, (op, names) in enumerate(steps) if k > 35 and op == "mul" and INPUT in names)
    for which in (Result(k - 6), Result(k - 12)):
        steps[k] = Step("mul", tuple(which if isinstance(name, Input) else name for name in piece.steps[k].operands))
        other = replace(piece, steps=tuple(steps))
        for by in ("package", "verifier"):
            found = stated(other, formula, scheme, "swish", by)
            assert found is None or holds(other, found, "swish", scheme)
