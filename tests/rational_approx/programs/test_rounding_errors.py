"""The bound on the rounding error against evaluations, exact in fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rational_approx import Domain, Rational, fit
from rational_approx.arithmetic.floats import round_to
from rational_approx.programs.program import Constant, Input, Operand, Result, program
from rational_approx.programs.rounding_errors import evaluation_error
from rational_approx.shipping.source_code import export


def computed(rational: Rational, scheme: str, dtype: str, x: np.ndarray) -> np.ndarray:
    space: dict = {}
    exec(export(rational, "numpy", scheme=scheme, dtype=dtype), space)
    return space["rational"](x)


def exact(rational: Rational, x: np.ndarray) -> list[Fraction]:
    p, q = rational.monomial().numerator, rational.monomial().denominator

    def value(c: tuple[Fraction, ...], at: Fraction) -> Fraction:
        total = Fraction(0)
        for coefficient in reversed(c):
            total = total * at + coefficient
        return total

    return [value(p, Fraction(float(v))) / value(q, Fraction(float(v))) for v in x]


def simulated(rational: Rational, scheme: str, fma: bool, x: Fraction, flush: bool, contract: bool) -> Fraction:
    """The program step by step in fractions, each result rounded once: to zero below the normal numbers if flushed.

    Contracted, the first sum that a product goes into takes it before it is rounded.
    """
    values: list[Fraction] = []
    products: dict[Result, Fraction] = {}

    def rounded(value: Fraction) -> Fraction:
        return Fraction(0) if flush and abs(value) < Fraction(2) ** -126 else round_to(value, "float32")

    def operand(which: Operand, inside_sum: bool) -> Fraction:
        if isinstance(which, Constant):
            return rounded(which.value)
        if isinstance(which, Input):
            return rounded(x)
        value = values[which.step]
        return products.pop(which, value) if inside_sum else value

    for number, (op, names) in enumerate(program(rational, scheme, fma).steps):
        a, b, *c = [operand(which, contract and op in ("add", "sub")) for which in names]
        if op == "mul":
            products[Result(number)] = a * b
        value = a + b if op == "add" else a - b if op == "sub" else a / b if op == "div" else a * b
        values.append(rounded(value + sum(c)))
    return values[-1]


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=5),
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=5),
    st.sampled_from(["horner", "estrin", "clenshaw"]),
    st.booleans(),
    st.sampled_from([-130, -60, 0, 60]),
    st.tuples(st.floats(-4, 4, width=16), st.floats(0.125, 4, width=16)),
    st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=60)
def test_no_simulated_program_leaves_its_bound(top, bottom, scheme, fma, power, interval, places, flush, contract):
    lower, width = map(Fraction, interval)
    scale = Fraction(2) ** power  # small enough for subnormal results, or large
    numerator = tuple(round_to(Fraction(c) * scale, "float32") for c in top)
    denominator = tuple(Fraction(c) for c in bottom)
    assume(any(denominator))
    basis = "chebyshev" if scheme == "clenshaw" else "monomial"
    rational = Rational(numerator, denominator, Domain.of((lower, lower + width)), basis)
    try:
        bound = evaluation_error(rational, scheme, fma=fma).bound
    except ArithmeticError:
        assume(False)
    for place in places:
        x = min(max(round_to(lower + width * Fraction(place), "float32"), lower), lower + width)
        (truth,) = exact(rational, np.array([float(x)]))
        assert abs(simulated(rational, scheme, fma, x, flush, contract) - truth) <= bound


@pytest.mark.parametrize(("target", "degree"), [("relu", (3, 2)), ("relu", (9, 8)), ("gelu", (9, 8))])
@pytest.mark.parametrize("scheme", ["horner", "estrin"])
def test_every_difference_lies_within_the_bound_which_is_not_loose(target, degree, scheme):
    rational = fit(target, degree).rational.monomial().rounded("float32")
    bound = evaluation_error(rational, scheme).bound
    rng = np.random.default_rng(0)
    upper = float(rational.domain.upper)
    x = np.concatenate([rng.uniform(-upper, upper, 2000), upper * np.geomspace(1e-9, 1, 500)]).astype(np.float32)
    seen = max(
        abs(Fraction(float(y)) - r) for y, r in zip(computed(rational, scheme, "float32", x), exact(rational, x))
    )
    assert bound / 8 < seen <= bound


@pytest.mark.parametrize("weight", ["1/abs(exp(x))", "where(x < 1, 4, 1/10)"])
def test_a_weighted_difference_has_a_bound_of_its_own(weight):
    rational = fit("exp(x)", (3, 3), (-2, 3)).rational.monomial().rounded("float32")
    bound = evaluation_error(rational, weight=weight).bound
    x = np.linspace(-2, 3, 3000).astype(np.float32)
    factor = np.where(x < 1, 4, 0.1) if "where" in weight else np.exp(-x.astype(float))
    differences = [
        float(abs(Fraction(float(y)) - r))
        for y, r in zip(computed(rational, "horner", "float32", x), exact(rational, x))
    ]
    seen = (factor * differences).max()
    assert bound / 8 < seen <= bound * (1 + 1e-12)
    assert bound < evaluation_error(rational).bound  # which is that of exp(3), and here counts little


def test_a_weight_that_is_not_bounded_has_no_bound():
    with pytest.raises(ArithmeticError, match="weight"):
        evaluation_error(fit("exp(x)", (2, 2), (-1, 1)).rational, weight="1/x")
    with pytest.raises(ValueError, match="__import__"):
        evaluation_error(fit("exp(x)", (2, 2), (-1, 1)).rational, weight="__import__('os')")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clenshaw_with_a_shifted_domain_counts_the_rounding_of_its_constants(dtype):
    rational = fit("exp(x)", (3, 3), ("0.1", "2.7")).rational.rounded(dtype)
    bound = evaluation_error(rational, dtype=dtype).bound
    x = np.linspace(0.11, 2.69, 1000).astype(dtype)
    seen = max(
        abs(Fraction(float(y)) - r) for y, r in zip(computed(rational, "clenshaw", dtype, x), exact(rational, x))
    )
    assert bound / 20 < seen <= bound


def test_coefficients_that_are_not_in_the_type_are_counted():
    third = Fraction(1, 3)
    rational = Rational((third,), (Fraction(1),), Domain.of((-1, 1)), basis="monomial")
    gap = abs(Fraction(float(np.float32(1) / np.float32(3))) - third)
    assert gap < evaluation_error(rational).bound < 20 * gap


def test_a_constant_is_not_taken_for_the_step_of_the_same_number():
    one = Fraction(1)
    rational = Rational((one, one, one, one), (one,), Domain.of((0, 100)), basis="monomial")
    assert evaluation_error(rational).bound > Fraction(1010101) / 2**25  # half a last place of r(100) at least


def one_over_one_plus_square() -> Rational:
    # Step 1 adds the constant 1 to step 0; as plain numbers, step 1 plus 1 in another scheme looked like a doubling.
    one, zero = Fraction(1), Fraction(0)
    return Rational((one,), (one, zero, one), Domain.of((-1, 1)), basis="monomial")


def test_the_sum_of_a_step_and_the_constant_of_its_number_is_rounded():
    rational = one_over_one_plus_square()
    x = np.linspace(-1, 1, 20_001).astype(np.float32)
    seen = max(
        abs(Fraction(float(y)) - r) for y, r in zip(computed(rational, "horner", "float32", x), exact(rational, x))
    )
    bound = evaluation_error(rational).bound
    assert Fraction(1, 2**24) < seen <= bound  # 5.961e-08 was claimed, and 8.936e-08 measured


def test_a_step_and_a_constant_never_compare_equal():
    for number in (0, 1, 2):
        assert Result(number) != Constant(Fraction(number))
        assert len({Result(number), Constant(Fraction(number)), Input()}) == 3
    whole = Rational((1, 2), (1, 0, 1), Domain.of((-1, 1)), basis="monomial")  # type: ignore[arg-type]
    exact_ones = Rational((Fraction(1), Fraction(2)), (Fraction(1), Fraction(0), Fraction(1)), whole.domain, "monomial")
    assert program(whole) == program(exact_ones)


def test_a_fused_multiply_add_is_bounded_lower():
    rational = fit("relu", (9, 8)).rational.monomial().rounded("float32")
    assert evaluation_error(rational, fma=True).bound < evaluation_error(rational).bound


def test_a_denominator_that_rounding_may_make_zero_has_no_bound():
    rational = fit("relu", (9, 8)).rational.rounded("float32")
    with pytest.raises(ArithmeticError, match="denominator"):
        evaluation_error(rational, "clenshaw")


def test_questions_without_sense_are_refused():
    rational = fit("relu", (3, 2)).rational
    with pytest.raises(ValueError, match="basis"):
        evaluation_error(rational, "horner")
    with pytest.raises(ValueError, match="float32"):
        evaluation_error(rational, dtype="float16")
    with pytest.raises(ValueError, match="bounded"):
        evaluation_error(fit("exp(-x)", (2, 3), (0, float("inf"))).rational)


@pytest.mark.parametrize(("name", "degree", "reach"), [("sin(x)", (7, 0), 1.5), ("log1p(x)", (6, 0), 0.25)])
def test_a_relative_bound_through_zero(name, degree, reach):
    best = fit(name, degree, (-reach, reach), weight="relative")
    rational = best.rounded("float32", "monomial")
    found = evaluation_error(rational, weight=best.target.weight_expression)
    rng = np.random.default_rng(0)
    x = np.exp2(rng.uniform(-99, np.log2(reach), 3000)).astype(np.float32) * rng.choice([-1, 1], 3000)
    y = computed(rational, "horner", "float32", x.astype(np.float32))
    seen = max(abs(Fraction(float(c)) / r - 1) for c, r in zip(y, exact(rational, x.astype(np.float32))))
    assert found.beyond == Fraction(1, 2**100)
    assert found.bound / 4 < seen <= found.bound * Fraction("1.00001") < Fraction(7, 2**24)  # f differs from r a little


def test_small_coefficients_do_not_cost_a_bound():
    # The largest coefficient was 1 and the smallest subnormal: the bound was 2.2e-4, and 5.5e-7 was found.
    rational = fit("abs(x)", (20, 20), (-1, 1)).rounded("float32", "monomial")
    assert evaluation_error(rational, "horner").bound < Fraction("3e-6")
