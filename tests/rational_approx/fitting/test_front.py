"""`fit`: known best errors, equioscillation, and what it refuses."""

import math

import mpmath
import numpy as np
import pytest

from rational_approx import DidNotConverge, Domain, Target, certify, fit
from tests.rational_approx.dense import largest_error
from tests.rational_approx.truths import best_errors, zolotarev_sign_error

NAMES = [
    "abs_4_4",
    "abs_8_8",
    "abs_20_20",
    "abs_40_40",
    "relu_3_2",
    "relu_9_8",
    "sqrt_8_8",
    "exp_4_4",
    "exp_3_5",
    "exp_4_4_rel",
    "exp_0_4",
    "tanh_7_6",
    "tanh3_5_4",
    "gelu_9_8",
    "silu_9_8",
    "softplus_7_6",
    "sign_gap_5_4",
    "sign_gap_9_8",
    "jumprelu_9_8",
    "elu_5_4",
    "hardswish_7_6",
    "relu_asym_6_5",
    "exp_3_2_wt",
    "expm_halfline_5_5",
]


SAMPLES = (np.linspace(-1, 1, 41), np.exp(np.linspace(-1, 1, 41)))


@pytest.mark.parametrize("name", NAMES)
def test_best_errors_at_default_settings(shared, name):
    case = best_errors(shared)[name]
    found = fit(case["target"], case["degree"], case["domain"], weight=case["weight"])
    assert found.converged
    assert found.error == pytest.approx(float(case["error"]), rel=1e-12)
    assert largest_error(found) <= found.error * (1 + 1e-9) + 4e-15


@pytest.mark.parametrize("name", NAMES)
def test_best_errors_to_thirty_digits(shared, name):
    case = best_errors(shared)[name]
    found = fit(case["target"], case["degree"], case["domain"], weight=case["weight"], digits=40)
    with mpmath.workdps(50):
        assert abs(found.error / mpmath.mpf(case["error"]) - 1) < mpmath.mpf(10) ** -min(30, case["digits"])


@pytest.mark.parametrize(("n", "gap"), [(1, "0.3"), (2, "0.05"), (4, "0.05"), (4, "0.001"), (6, "0.01")])
def test_sign_on_a_gap_is_zolotarevs(n, gap):
    found = fit("sign(x)", (2 * n + 1, 2 * n), [(-1, f"-{gap}"), (gap, 1)], digits=30)
    with mpmath.workdps(40):
        truth = zolotarev_sign_error(n, mpmath.mpf(gap))
        assert abs(found.error / truth - 1) < mpmath.mpf(10) ** -29


@pytest.mark.slow
def test_a_large_type_for_a_kink_follows_stahls_asymptotics():
    # Stahl 1993: E_{n,n}(abs) is 8 exp(-pi sqrt(n)) (1 + o(1)). The published values approach the limit from below: the
    # ratio is 0.770 at n = 20 and 0.831 at n = 40, so that the distance to 1 falls a little slower than 1 / sqrt(n).
    found = fit("abs(x)", (80, 80), (-1, 1), digits=20)
    assert found.converged
    assert len(found.reference) >= 162
    ratio = float(found.error) / (8 * math.exp(-math.pi * math.sqrt(80)))
    assert 1 - 0.169 * 0.5**0.4 < ratio < 1 - 0.169 * 0.5**0.5


@pytest.mark.parametrize(
    ("target", "domain", "degree", "true_type"),
    [
        ("x", (-1, 1), (5, 4), (1, 0)),
        ("1/(1+x^2)", (-1, 1), (4, 6), (0, 2)),
        ("(1+x)/(3+x+x^2)", (-1, 2), (4, 4), (1, 2)),
        ("2", (0, 1), (2, 2), (0, 0)),
        ("0*x", (0, 1), (2, 2), (0, 0)),
    ],
)
def test_a_target_that_is_a_rational_of_the_type_is_found_exactly(target, domain, degree, true_type):
    found = fit(target, degree, domain)
    assert found.error == 0
    assert all(have <= most for have, most in zip(found.rational.type, degree, strict=True))
    x = np.linspace(*domain, 101)
    np.testing.assert_allclose(found(x), Target(target, domain).pieces[0].function(x), atol=1e-15)
    assert max(found.rational.type) >= max(true_type)


def test_a_flat_float64_callable_is_found_to_its_rounding_errors():
    assert fit(lambda x: np.maximum(x, 0), (5, 4), (-3, -1)).error == 0


def test_callables_of_three_kinds_agree_with_the_expression():
    truth = fit("tanh(x)", (7, 6), (-8, 8), digits=25).error
    assert fit(np.tanh, (7, 6), (-8, 8)).error == pytest.approx(float(truth), rel=1e-8)
    assert fit(math.tanh, (7, 6), (-8, 8)).error == pytest.approx(float(truth), rel=1e-8)
    precise = fit(mpmath.tanh, (7, 6), (-8, 8), digits=25).error
    assert abs(precise / truth - 1) < mpmath.mpf(10) ** -24


def test_a_kink_inside_an_opaque_callable_is_found():
    def shifted(x):
        return np.abs(x - 0.3)

    assert fit(shifted, (6, 6), (-1, 1)).error == pytest.approx(fit("abs(x - 0.3)", (6, 6), (-1, 1)).error, rel=1e-5)


def test_samples_are_fitted_as_a_point_set():
    x = np.linspace(-1, 1, 4001)
    y = np.maximum(x, 0)
    found = fit((x, y), (3, 2))
    assert np.abs(y - found(x)).max() == pytest.approx(found.error, rel=1e-9)
    # fewer points, smaller error: a discrete problem bounds the continuous one from below
    continuous = fit("relu", (3, 2)).error
    assert continuous * (1 - 1e-6) < found.error <= continuous
    with pytest.raises(ValueError, match="samples must be real"):
        fit((x, y + 1j * x), (3, 2))


def test_relative_error_through_a_zero():
    found = fit("tanh(x)", (5, 4), (-3, 3), weight="relative")
    x = np.linspace(1e-6, 3, 20_001)
    assert found(0.0) == 0
    assert np.abs(1 - found(x) / np.tanh(x)).max() == pytest.approx(found.error, rel=1e-6)


@pytest.mark.parametrize(
    ("target", "domain"), [("tanh(x)", (-3, 3)), ("expm1(x)", (-1, 1)), ("sin(x)", (-2, 1)), ("gelu", (-2, 2))]
)
def test_a_weight_may_be_infinite_at_a_zero_of_the_target(target, domain):
    found = fit(target, (5, 2), domain, weight="1/abs(x)")
    assert found.target.relative_zeros == (0,)
    assert abs(found(0.0)) < 1e-15
    x = np.linspace(*map(float, domain), 20_000)
    assert np.abs((found.target.expression(x) - found(x)) / x).max() == pytest.approx(found.error, rel=1e-6)


def partly_raising(x):
    if np.any(np.asarray(x) > 0.5):
        raise RuntimeError("no value here")
    return np.exp(x)


def test_interpolation_conditions_hold_exactly_and_cost_little():
    free, bound = fit("gelu", (9, 8)), fit("gelu", (9, 8), interpolate=(0,))
    assert abs(bound(0.0)) < 1e-15
    assert free.error < bound.error < 1.1 * free.error
    assert largest_error(bound) == pytest.approx(bound.error, rel=1e-6)


def test_a_float64_callable_beyond_its_noise_does_not_converge():
    with pytest.raises(DidNotConverge, match=r"\(9, 8\).*float64 has too few digits.*mpmath") as caught:
        fit(np.exp, (9, 8), (-1, 1))
    assert caught.value.cause == "digits"


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (("exp(x)", (2, -1), (0, 1)), {}, "degree must be a pair of integers"),
        (("exp(x)", (2.5, 1), (0, 1)), {}, "degree must be a pair of integers"),
        (("exp(x)", 3, (0, 1)), {}, "degree must be a pair of integers"),
        (("exp(x)", None, (0, 1)), {}, "give a degree="),
        (("exp(x)", (2, 1), (1, 0)), {}, "reversed"),
        (("exp(x)", (2, 1), (1, 1)), {}, "empty"),
        (("exp(x)", (2, 1), []), {}, "empty"),
        (("exp(x)", (2, 1), (0, math.nan)), {}, "not nan"),
        (("exp(x)", (2, 1), [(0, 1), (0.5, 2)]), {}, "overlap"),
        (("exp(x)", (2, 1)), {}, "needs a domain"),
        (("exp(", (2, 1), (0, 1)), {}, "ends too early"),
        (("1/x", (3, 3), (-1, 1)), {}, "must be finite"),
        (("log(x)", (3, 3), (-1, 1)), {}, "must be finite"),
        ((lambda x: x + 1j, (3, 3), (-1, 1)), {}, "complex"),
        ((lambda x: [1, 2], (2, 2), (0, 1)), {}, "returned 2 values"),
        ((lambda x: 1 / 0, (2, 2), (0, 1)), {}, "ZeroDivisionError"),
        ((partly_raising, (2, 2), (-1, 1)), {}, r"the target raised RuntimeError at x = 0\.5\d*: no value here"),
        ((lambda x: np.where(np.asarray(x) > 0.5, np.nan, x), (2, 2), (-1, 1)), {}, r"the target is nan at x = 0\.5"),
        ((lambda x: "a", (2, 2), (-1, 1)), {}, "returned 'a' at x = -1: it must return one number"),
        ((lambda x: None, (2, 2), (-1, 1)), {}, "returned None"),
        ((np.sign, (3, 3), (-1, 1)), {}, "jumps at x = 0"),
        (("exp(x)", (2, 2), (-1, 1)), {"weight": "1/abs(x)"}, "weight is -?inf at x = 0"),
        (("exp(x)", (2, 2), (-1, 1)), {"weight": lambda x: np.full(np.shape(x), np.nan)}, "weight is nan"),
        (("exp(x)", (2, 2), (-1, 1)), {"weight": lambda x: 1 / 0}, "the weight raised ZeroDivisionError at x = "),
        (((np.arange(9.0), np.arange(9.0)), (1, 1)), {"weight": "relative"}, "positive and finite at every sample"),
        (("where(x>0.3,x,0)", (5, 5), (-1, 1)), {}, "jumps at x = 0.3"),
        ((lambda x: np.where(x > 0.3, x, 0), (9, 8), (-1, 1)), {}, "jumps at x = 0.3"),
        (("exp(x)", (2, 2), (0, 1)), {"weight": "x"}, "weight is 0 at x = 0"),
        (("exp(x)", (2, 2), (0, 1)), {"weight": lambda x: -1 + 0 * x}, "weight is -1"),
        (("exp(x)", (2, 2), (0, 1)), {"weight": "(x - 0.3)^2"}, "weight vanishes at x = 0.3"),
        (("exp(x)", (2, 2), (0, 1)), {"weight": lambda x: abs(x - 0.3)}, "weight vanishes at x = 0.3"),
        (("exp(x)", (2, 2), (0, 1)), {"digits": 0}, "digits must be"),
        ((np.tanh, (7, 6), (-8, 8)), {"digits": 30}, "float64"),
        (((np.arange(4.0), np.arange(4.0) ** 2), (3, 2)), {}, "needs at least 7 samples"),
        ((([1.0, 1.0, 2.0], [1.0, 2.0, 3.0]), (1, 0)), {}, "distinct"),
        ((([1.0, 2.0, math.nan], [1.0, 2.0, 3.0]), (1, 0)), {}, "finite"),
        (("sqrt(x)", (3, 3), (0, math.inf)), {}, "does not stay bounded"),
        (("sigmoid(x)", (4, 4), (-math.inf, math.inf)), {}, "tends to 0 and to 1 .* no error is below 0.5"),
        (("atan(x)", (4, 4), (-math.inf, math.inf)), {}, "tends to -1.5708 and to 1.5708"),
        (("1 - sin(x)", (4, 4), (1, 2)), {"weight": "relative"}, "vanishes at x = 1.570796327 to the order 2"),
        (("(x^2 - 2)^2", (4, 4), (1, 2)), {"weight": "relative"}, "to the order 2, .* leave a gap around it"),
        (("x^2 * exp(x)", (4, 4), (-1, 1)), {"weight": "relative"}, "vanishes at x = 0 to the order 2"),
        (("abs(x^2 - 2)", (4, 4), (1, 2)), {"weight": "relative"}, "to the order 1 without changing its sign"),
        (("(x^2 - 2) * (x^2 - 2.0000001)", (4, 4), (1, 2)), {"weight": "relative"}, "one of these zeros is next to"),
        (("cos(x)", (4, 4), (1, "1.570796326794897")), {"weight": "relative"}, "or to an end of the domain"),
        (("cos(x)", (0, 4), (1, 2)), {"weight": "relative"}, "the numerator needs degree 1"),
        (("cos(x)", (4, 4), [(0, 1), (1.2, 2)]), {"weight": "relative", "denominator": "any"}, "gap around the zero"),
        (("cos(x)", ([1, None], 0), (0, 2)), {"weight": "relative"}, "cannot be prescribed there"),
        ((np.cos, (4, 4), (1, 2)), {"weight": "relative"}, "changes its sign at x = 1.570796327"),
        (("x * sigmoid(x)", (4, 4), (-math.inf, 0.5)), {"weight": "exp(-x)"}, "weight"),
        (("abs(x)", (2, 2), (-1, 1)), {"breakpoints": [7]}, "outside the domain"),
        (("exp(x)", (0, 1), (-1, 1)), {"interpolate": (0,)}, "numerator needs degree"),
        (("exp(x)", (2, 2), (-1, 1)), {"interpolate": 0}, "takes points"),
        (("exp(x)", (2, 2), (-1, 1)), {"breakpoints": 0.3}, "takes a list of points"),
        (("exp(x)", (2, 2), (-1, 1)), {"tolerance": 1e-3}, "not both"),
        (("swish", (3, 2)), {}, "no gate named 'swish'; there are relu"),
        ((SAMPLES, (2, 1), (-0.5, 0.5)), {}, "one interval that holds all of them"),
        ((SAMPLES, (2, 1)), {"interpolate": (0.123,)}, "no sample at x = 0.123"),
        ((SAMPLES, (2, 1)), {"weight": np.ones(3)}, "as many numbers"),
    ],
)
def test_bad_input_is_refused_with_one_clear_sentence(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        fit(*arguments, **keywords)


def test_what_is_no_function_is_a_type_error():
    with pytest.raises(TypeError, match="callable, an expression, a gate or samples"):
        fit(3.0, (1, 1), (0, 1))


def test_a_vanishing_best_constant_is_exactly_zero():
    found = fit("softsign", (0, 5), (-2, 2), weight="1/(1+x^2)")  # odd, and a numerator without zeros cannot follow
    assert not any(found.rational.numerator)


@pytest.mark.parametrize(
    ("target", "degree", "domain", "true_type"),
    [
        ("1/(1 + 2*x^2)", (8, 9), (0, 1), (0, 2)),
        ("(1 + x)/(3 + x + x^2)", (5, 5), (0, 7), (1, 2)),
        ("1/(1 + x)", (3, 3), (0, math.inf), (0, 1)),
        ("x/3", (2, 2), (-1, 1), (1, 0)),
        ("(x + 1)/(x^4 + 2)", (2, 4), (0, math.inf), (1, 4)),
    ],
)
def test_a_rational_target_comes_back_itself(target, degree, domain, true_type):
    found = fit(target, degree, domain)
    assert (found.error, found.rational.type) == (0, true_type)
    assert certify(found).upper == 0  # exactly


def test_weights_of_samples_are_in_the_order_of_the_samples():
    x, y = SAMPLES
    order, weight = np.random.default_rng(0).permutation(x.size), 1 + x**2
    shuffled = fit((x[order], y[order]), (2, 1), weight=weight[order])
    assert shuffled.error == fit(SAMPLES, (2, 1), weight="1 + x^2").error
    assert np.abs(weight * (y - shuffled(x))).max() == pytest.approx(shuffled.error, rel=1e-9)


def test_a_relative_error_of_a_symbol_by_another_name():
    import sympy

    t = sympy.Symbol("t")
    found = fit(sympy.sin(t), (3, 2), (-1, 1), weight="relative")
    assert found.error == fit("sin(x)", (3, 2), (-1, 1), weight="relative").error


@pytest.mark.parametrize(
    ("moved", "domain", "conditions"),
    [
        ("sqrt(x - 1)", (1, 2), {}),
        ("sqrt(0.3 - x)", ("-0.7", "0.3"), {}),
        ("2 * sqrt(x + 5)", (-5, -4), {"weight": "1/2"}),
    ],
)
def test_a_singularity_is_as_well_solved_beside_zero_as_in_it(moved, domain, conditions):
    """Peaks crowd to 1e-13 of the singular end, where only floats beside 0 tell them apart."""
    there, here = fit(moved, (20, 20), domain, **conditions), fit("sqrt(x)", (20, 20), (0, 1))
    assert there.error == pytest.approx(here.error, rel=1e-14)
    assert there.target.domain == Domain.of(domain)
    assert min(there.reference) == there.target.domain.lower
    certificate = certify(there)
    assert certificate.status == "proved"
    assert certificate.upper / certificate.best_lower - 1 < 1e-9
