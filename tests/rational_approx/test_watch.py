"""Progress of a fit, its time limit, and what ends it."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from rational_approx import DidNotConverge, Fit, fit
from rational_approx.arithmetic.precision import working_bits
from rational_approx.watch import Progress

PROBLEMS = {
    "exchange": (("sqrt(x)", (8, 8), (0, 1)), {}),
    "multiprecision": (("exp(x)", (14, 14), (-1, 1)), {}),
    "a callable of one number": ((math.exp, (4, 4), (-1, 1)), {}),
    "choice of a type": (("sqrt(x)", None, (0, 1)), {"tolerance": 1e-4}),
    "patterns": (("exp(x)*sin(9*x)", (4, 4), [(-1, -0.9), (0.1, 0.12), (0.2, 0.22)]), {"denominator": "any"}),
    "whole line": (("exp(-(x-0.3)^2)+1/(1+(x+2)^2)", (6, 6), (-math.inf, math.inf)), {}),
    "bounds": (("relu", (5, 4)), {"bounds": (0, None)}),
    "samples": (((np.linspace(-1, 1, 400), np.random.default_rng(1).normal(size=400)), (4, 4)), {}),
}


def outcome(*arguments, **keywords) -> Fit | DidNotConverge:
    try:
        return fit(*arguments, **keywords)
    except DidNotConverge as stopped:
        return stopped


@pytest.fixture
def ticks(monkeypatch):
    """A clock that ticks whenever it is looked at, so that nothing depends on the machine."""
    clock = itertools.count()
    monkeypatch.setattr("rational_approx.watch.monotonic", clock.__next__)
    return clock


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("limit", [1, 40, 1000])
@pytest.mark.parametrize("name", PROBLEMS)
def test_whenever_the_time_is_over_a_fit_is_the_best_or_says_so(name, limit, ticks):
    arguments, keywords = PROBLEMS[name]
    found = outcome(*arguments, **keywords, time_limit=limit)
    if isinstance(found, Fit):
        assert found.converged
        assert limit > 1
        return
    assert found.cause == "time"
    assert "the time was over" in str(found)
    if found.fit is not None:
        assert not found.fit.converged or "cheapest" in str(found)
        assert np.isfinite(found.fit(0.11))


@pytest.mark.parametrize("question", [{"degree": (12, 12)}, {"tolerance": 1e-3}])
def test_the_best_attempt_comes_with_it(question, ticks):
    fit("sqrt(x)", domain=(0, 1), **question, time_limit=10**9)
    needed = next(ticks)
    found = outcome("sqrt(x)", domain=(0, 1), **question, time_limit=0.6 * needed)
    assert found.cause == "time"
    assert "best attempt is attached" in str(found)
    x = np.linspace(0, 1, 1000)
    assert np.abs(found.fit(x) - np.sqrt(x)).max() < 1e-2


def test_enough_time_changes_nothing():
    assert fit("gelu", (5, 4), time_limit=1000).rational == fit("gelu", (5, 4)).rational


def test_progress_tells_stage_type_and_both_errors():
    steps = []
    found = fit("exp(x)", (4, 4), (-1, 1), progress=steps.append)
    assert all(isinstance(step, Progress) for step in steps)
    assert [step.stage for step in steps if step.stage != "proof"][::4][0] == "exchange"
    assert steps[-1].stage == "finish"
    assert {step.type for step in steps} == {(4, 4)}
    assert steps[-1].levelled == pytest.approx(found.error, rel=1e-12)
    assert steps[-1].largest == pytest.approx(found.error, rel=1e-12)


def test_progress_tells_the_type_of_the_user_where_symmetry_is_divided_out():
    steps = []
    fit("tanh(x)", (5, 4), (-3, 3), progress=steps.append)
    assert {step.type for step in steps} == {(5, 4)}
    steps.clear()
    fit("exp(x)", tolerance=1e-3, domain=(-1, 1), progress=steps.append)
    assert len({step.type for step in steps}) > 2


@pytest.mark.parametrize("error", [ValueError, ArithmeticError, KeyboardInterrupt])
def test_what_the_callback_raises_ends_the_fit(error):
    calls = []

    def stop(step):
        calls.append(step)
        raise error("enough")

    before = mpmath.mp.dps
    with pytest.raises(error, match="enough"):
        fit("exp(x)", (20, 20), (-1, 1), progress=stop)
    assert len(calls) == 1
    assert mpmath.mp.dps == before
    with working_bits(100):
        assert fit("exp(x)", (2, 2), (-1, 1)).converged


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf, True, "1"])
def test_limits_that_make_no_sense(limit):
    with pytest.raises(ValueError, match="time_limit must be a positive number of seconds"):
        fit("exp(x)", (2, 2), (-1, 1), time_limit=limit)


def test_progress_must_be_callable():
    with pytest.raises(TypeError, match="progress="):
        fit("exp(x)", (2, 2), (-1, 1), progress=True)
