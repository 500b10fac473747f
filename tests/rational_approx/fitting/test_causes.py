"""Why a fit failed, in its own words: problems that have the cause; and what a fit says of the points between."""

import math

import mpmath
import numpy as np
import pytest

from rational_approx import DidNotConverge, Target, fit
from rational_approx.fitting.causes import explained, noise_of


def refused(*arguments, **keywords) -> DidNotConverge:
    with pytest.raises(DidNotConverge) as caught:
        fit(*arguments, **keywords)
    return caught.value


def rounded_to_float32(x):
    return np.exp(np.float32(x)).astype(float)


def test_noise_and_how_large_it_is():
    found = refused(rounded_to_float32, (8, 0), (-1, 1))
    assert found.cause == "noise"
    assert "exact to about 3e-08 only" in str(found)  # 2**-24 of values up to e
    assert "error to be levelled is about" in str(found)


@pytest.mark.parametrize("size", [1e-3, 1e-8])
def test_the_noise_is_estimated_on_any_slope(size):
    def noisy(x):
        seeds = np.frombuffer(np.ascontiguousarray(np.ravel(x), dtype=float).tobytes(), dtype=np.uint64)
        noise = [np.random.default_rng(int(seed)).normal() for seed in seeds]
        return 10 * np.sin(5 * np.asarray(x)) + size * np.reshape(noise, np.shape(x))

    assert noise_of(Target(noisy, (-1, 1)).pieces[0]) == pytest.approx(size, rel=0.5)
    assert noise_of(Target(lambda x: 10 * np.sin(5 * x), (-1, 1)).pieces[0]) < 1e-14


def test_a_jump_too_low_to_be_refused_before():
    found = refused(lambda x: np.exp(x) + 1e-6 * (x > 0.3), (5, 5), (-1, 1))
    assert found.cause == "jump"
    assert "jumps by 1e-06 at x = 0.3" in str(found)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("function", [lambda x: 1 / (x - 0.3) ** 2, lambda x: np.exp(x) + 1e-8 / (x - 0.3) ** 2])
def test_a_pole_between_the_points_that_are_looked_at_first(function):
    found = refused(function, (4, 4), (-1, 1))
    assert found.cause == "pole"
    assert "x = 0.3" in str(found)


@pytest.mark.parametrize(("middle", "width"), [(0.3123, 1e-3), (0.5551, 1e-4)])
def test_a_peak_narrower_than_the_samples(middle, width):
    found = refused(lambda x: np.exp(x) + 1e-6 * np.exp(-(((x - middle) / width) ** 2)), (6, 6), (-1, 1))
    assert found.cause == "peak"
    at = float(str(found).split("at x = ")[1].split(",")[0])
    assert abs(at - middle) < 1e-3


def test_a_value_that_makes_the_best_not_unique():
    found = refused("tanh(x)", (5, 4), (-4, 4), interpolate={-4: -1, 4: 1})
    assert found.cause == "condition"


def test_time():
    found = refused("exp(x)", (60, 60), (-1, 1), time_limit=0.05)
    assert found.cause == "time"
    assert "the time was over" in str(found)


def test_a_fit_says_what_is_known_between_its_points():
    proved = fit("tanh(x)", (5, 4), (-3, 3))
    assert "proved: the error is nowhere larger than 1.39180322" in str(proved)
    assert proved.upper >= proved.error
    sampled = fit(np.tanh, (5, 4), (-3, 3))
    assert sampled.upper is None
    assert "between them nothing is known" in str(sampled)
    within = fit("relu", (3, 2), bounds=(0, None))
    assert 1 <= float(within.upper) / within.error < 1 + 1e-8
    assert "between" not in str(fit((np.arange(9.0), np.arange(9.0) ** 2), (1, 1)))


def test_a_multiprecision_callable_is_sampled_too():
    assert "between them nothing is known" in str(fit(mpmath.exp, (2, 2), (0, 1)))
    assert math.isclose(fit(mpmath.exp, (2, 2), (0, 1)).error, fit("exp(x)", (2, 2), (0, 1)).error, rel_tol=1e-12)


def test_a_degenerate_type_names_the_defect():
    """No problem is known whose failure ends here: the best of type (4, 4) stands for what the solver would hand on."""
    smaller = fit("abs(x)", (4, 4), (-1, 1))
    said = explained(smaller.target, (6, 5), smaller, degenerate=True)
    assert said.cause == "degenerate"
    assert "the best of type (4, 4) (defect 1) is as good" in str(said)
    assert said.fit is smaller


@pytest.mark.slow
def test_singularities_at_several_places_are_named():
    with pytest.raises(DidNotConverge, match=r"crowd at x = 0 and x = 1") as stopped:
        fit("x^0.3 + (1 - x)^0.4", (24, 24), (0, 1))
    assert stopped.value.cause == "clusters"


def test_one_singular_end_of_a_large_type_is_no_cluster():
    target = Target("x^0.3", (0, 1))
    assert explained(target, (24, 24), None).cause == "unknown"
    assert explained(Target("abs(x) + abs(x - 0.3)", (-1, 1)), (24, 24), None).cause == "clusters"
