"""`fit`: known best errors, equioscillation, and what it refuses."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import DidNotConverge, Fit, Target, certify, fit
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


def largest_error(found: Fit, count: int = 40_001) -> float:
    """The largest error in float64 on a dense grid of each piece of the target."""
    largest = 0.0
    for piece in found.target.pieces:
        lower, upper = max(float(piece.lower), -50.0), min(float(piece.upper), 50.0)
        x = lower + (upper - lower) * (1 - np.cos(np.linspace(0, np.pi, count))) / 2
        largest = max(largest, float(np.nanmax(np.abs(found.error_at(np.clip(x, lower, upper))))))
    return largest


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


@pytest.mark.parametrize(("target", "degree", "smaller"), [("abs(x)", (5, 5), (4, 4)), ("x^4", (3, 3), (2, 2))])
def test_degenerate_best_approximants_are_the_smaller_ones(target, degree, smaller):
    assert fit(target, degree, (-1, 1)).error == fit(target, smaller, (-1, 1)).error


@pytest.mark.parametrize(
    ("target", "degree", "domain", "breakpoints", "half"),
    [
        ("where(x > 0.1, x, -x - 1)", (4, 3), (-1, 1), ["0.1"], 0.6),
        ("sign(x)", (3, 2), (-1, 1), [0], 1.0),
        ("heaviside(x)", (0, 2), (-1, 2), [0], 0.5),
    ],
)
def test_both_limits_at_a_jump_cost_half_of_it_and_no_more(target, degree, domain, breakpoints, half):
    found = fit(target, degree, domain, breakpoints=breakpoints)
    assert found.error == pytest.approx(half, rel=1e-15)
    assert largest_error(found) <= half * (1 + 1e-12)


@pytest.mark.parametrize(
    ("target", "degree", "domain"),
    [
        ("where(x > 0.3, x, 0)", (9, 8), [(-1, "0.299"), ("0.301", 1)]),  # an unsymmetric narrow gap
        ("sign(x - 1)", (9, 3), [(0, "0.98"), ("1.01", "1.4")]),  # degrees far apart
        ("gelu", (0, 6), ("-0.5", "0.5")),  # a numerator that cannot change its sign
        ("abs(sin(x))", (2, 2), ("-2.2", "3.12")),  # nearly degenerate: only one point at a time may move
    ],
)
def test_fits_that_need_more_than_a_spread_start_are_best_ones(target, degree, domain):
    proof = certify(fit(target, degree, domain))
    assert proof.status == "proved"
    assert proof.upper / proof.best_lower < 1 + 1e-12


def test_a_constant_plus_an_odd_function_is_reduced():
    assert fit("sigmoid(x)", (5, 5), (-8, 8)).error == fit("sigmoid(x)", (5, 4), (-8, 8)).error
    assert len(fit("sigmoid(x)", (10, 7), ("-1.5", "1.5")).reference) == 18


def test_a_flat_float64_callable_is_found_to_its_rounding_errors():
    assert fit(lambda x: np.maximum(x, 0), (5, 4), (-3, -1)).error == 0


def test_errors_that_float64_cannot_see():
    # Meinardus: the best error of exp on [-1, 1] of type (n, n) is n! n! / (2^2n (2n)! (2n + 1)!) times 1 + o(1).
    found = fit("exp(x)", (9, 9), (-1, 1))
    estimate = math.factorial(9) ** 2 / (2.0**18 * math.factorial(18) * math.factorial(19))
    assert found.error == pytest.approx(estimate, rel=0.05)


@pytest.mark.parametrize(("n", "better"), [(1, (5**0.5 - 2) / 2)])
def test_linear_part_plus_even_is_divided_out_only_where_the_type_holds_it(n, better):
    # x Q has degree n + 1, which a numerator of degree n cannot hold: relu of type (1, 1) is no half of abs (0, 0).
    found = fit("relu", (n, n))
    assert found.error == pytest.approx(better, rel=1e-12)
    assert len(found.reference) >= 2 * n + 2


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


def test_a_reference_point_at_the_end_of_a_gap_stays_on_its_side():
    text = "1.25 * exp(-(1.85 * x + 1.7) ^ 2) - 1.75 * exp(-(1.25 * x + 1.25) ^ 2)"
    found = fit(text, (3, 1), [("-3.8", "-3.4"), ("2.8", "3.5")])
    assert {Fraction(-17, 5), Fraction(14, 5)} <= set(found.reference)
    assert len(set(found.reference)) == 6


@pytest.mark.parametrize(
    ("right", "left"), [("1/(1+exp(x))", "sigmoid(x)"), ("atan(x)", "-atan(x)"), ("exp(-x)", "exp(x)")]
)
def test_a_half_line_and_its_mirror_image_have_the_same_error(right, left):
    mirrored = fit(left, (4, 4), (-math.inf, 0), interpolate=(0,))
    assert mirrored.error == pytest.approx(fit(right, (4, 4), (0, math.inf), interpolate=(0,)).error, rel=1e-12)
    assert fit(left, (3, 3), (-math.inf, 0)).error == pytest.approx(fit(right, (3, 3), (0, math.inf)).error, rel=1e-12)


def test_every_exchange_is_recorded():
    found = fit("tanh(x)", (7, 6), (-8, 8))
    assert found.history
    assert all(record.levelled <= found.error * (1 + 1e-6) for record in found.history if record.degree == (3, 3))


def test_a_float64_callable_beyond_its_noise_does_not_converge():
    with pytest.raises(DidNotConverge, match=r"\(9, 8\)"):
        fit(np.exp, (9, 8), (-1, 1))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    scale=st.floats(0.5, 4),
    shift=st.floats(-1, 1),
    degree=st.tuples(st.integers(1, 5), st.integers(0, 4)),
    name=st.sampled_from(["tanh", "exp", "sigmoid", "abs"]),
)
def test_the_error_is_level_on_the_reference_and_nowhere_larger(name, scale, shift, degree):
    found = fit(f"{name}({scale!r}*x - ({shift!r}))", degree, (-1, 1))
    at_reference = found.error_at(np.array([float(x) for x in found.reference]))
    size = np.abs(at_reference)
    noise = 1e-13 * np.exp(scale + abs(shift))
    assert size == pytest.approx(np.full(size.size, found.error), rel=1e-6, abs=noise)
    assert (at_reference[1:] * at_reference[:-1] <= noise).all()
    assert largest_error(found, 4001) <= found.error * (1 + 1e-6) + noise


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
        (("exp(x)", (2, 1), (0, math.nan)), {}, "NaN"),
        (("exp(x)", (2, 1), [(0, 1), (0.5, 2)]), {}, "overlap"),
        (("exp(x)", (2, 1)), {}, "needs a domain"),
        (("exp(", (2, 1), (0, 1)), {}, "position"),
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
        (
            ("cos(x)", (4, 4), (0, 3)),
            {"weight": "relative"},
            "infinite at x = 1.5708, .* vanishes at a number that is not",
        ),
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


def test_a_numerator_that_cannot_follow_a_limit_at_infinity_is_said_not_to_converge():
    with pytest.raises(DidNotConverge, match="another type"):  # r tends to 0 there and tanh to 1
        fit("tanh(x)", (5, 6), (0, math.inf))


def test_a_vanishing_best_constant_is_exactly_zero():
    found = fit("softsign", (0, 5), (-2, 2), weight="1/(1+x^2)")  # odd, and a numerator without zeros cannot follow
    assert not any(found.rational.numerator)


def test_an_error_below_float64_is_that_of_the_whole_type():
    found = fit("erf(x)", (7, 6), (2.7, 3.3), weight="relative")  # type (6, 5) has 1.1e-16, and 13 points
    assert len(found.reference) == 15
    assert found.error < 1e-18


def test_a_narrow_peak_beside_nearby_poles_is_not_missed():
    # In type (6, 6) the relative error of exp on [-20, 20] has a hump that no coarse look finds; by the symmetry
    # r(-x) = 1 / r(x) of the problem the reference is symmetric.
    found = fit("exp(20*x)", (6, 6), (-1, 1), weight="relative")
    proof = certify(found)
    assert proof.upper <= proof.best_lower * (1 + Fraction(1, 10**12))
    assert [float(x) for x in found.reference] == pytest.approx(
        [-float(x) for x in reversed(found.reference)], abs=1e-9
    )


def test_a_very_small_error_is_not_taken_for_zero():
    # Meinardus (1967), section 9.3: the best error of exp is about n! m! / (2**(n+m) (n+m)! (n+m+1)!)
    n, found = 20, fit("exp(x)", (20, 20), (-1, 1))
    predicted = mpmath.factorial(n) ** 2 / (2 ** (2 * n) * mpmath.factorial(2 * n) * mpmath.factorial(2 * n + 1))
    assert found.error == pytest.approx(float(predicted), rel=0.05)


def test_two_half_lines_are_an_interval_through_infinity(shared):
    # Under x -> 1/x a rational of type (n, n) keeps its type: this is exp on [-1, 1].
    found = fit("exp(1/x)", (4, 4), [(-math.inf, -1), (1, math.inf)])
    assert found.error == pytest.approx(float(best_errors(shared)["exp_4_4"]["error"]), rel=1e-12)
    assert certify(found).status == "proved"


def test_two_half_lines_and_a_limit_of_zero_beyond_which_the_factor_is_negative():
    proof = certify(fit("exp(1/x) / x^3", (2, 5), [(-math.inf, -1), (2, math.inf)]))
    assert proof.status == "proved"
    # Best among denominators of one sign through infinity. Those of odd degree have two signs as functions of x, and
    # what is proved is a bound for those of one.
    assert 0 < proof.best_lower < proof.upper


@pytest.mark.parametrize("target", ["exp(-(x - {0})^2)", "1 / cosh(x - {0})", "exp(-abs(x - {0}))"])
@pytest.mark.parametrize("degree", [(4, 4), (2, 4), (3, 4)])
def test_on_the_whole_line_a_shift_changes_nothing(target, degree):
    # Centred, the target is even and half of the line is enough; shifted, the line is cut open.
    line = (-math.inf, math.inf)
    centred, shifted = (fit(target.format(at), degree, line) for at in ("0", "7/10"))
    assert shifted.error == pytest.approx(centred.error, rel=1e-12)
    proof = certify(shifted)
    assert proof.status == "proved"
    assert proof.upper <= proof.best_lower * (1 + Fraction(1, 10**10))


def test_a_rational_on_the_whole_line_is_found_exactly():
    found = fit("(x + 1) / (x^4 + 2)", (1, 4), (-math.inf, math.inf))
    assert (found.error, found.rational.type) == (0, (1, 4))
    assert found.rational(1) == pytest.approx(2 / 3, rel=1e-14)


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


@pytest.mark.parametrize(
    ("target", "degree", "domain"),
    [
        ("log(1 + x)", (5, 5), (0, 1)),  # the peak is the limit at the zero
        ("sin(x)", (8, 4), [(-1, "-0.3"), ("-0.1", 1)]),  # or beside it, on the other side
        ("exp(x) - 1", (4, 4), (-1, 1)),
        ("log(x)", (4, 4), (1, 2)),
    ],
)
def test_a_peak_at_a_zero_of_the_target_is_found_to_all_digits(target, degree, domain):
    proof = certify(fit(target, degree, domain, weight="relative"))
    assert proof.status == "proved"
    assert proof.upper <= proof.best_lower * (1 + Fraction(1, 10**12))


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
