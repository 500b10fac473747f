"""A slice of the refuter of the rounding bound: `python -m tests.adversaries.rounding` runs more."""

from collections import Counter

import pytest

from tests.adversaries.rounding import batch, fixed, installed


def test_no_bound_is_exceeded_by_code_of_random_rationals() -> None:
    """Whatever is installed runs them, NumPy at least; the first cases are those that broke the bound once."""
    counts: Counter[str] = Counter()
    languages = [
        name
        for name in installed()
        if name not in ("C, gcc, contracted", "C, gcc, flushed", "C, clang", "JAX, compiled")
    ]
    outcomes = list(batch(7, range(60), counts, languages))
    assert not [outcome for outcome in outcomes if outcome.ratio > 1]
    assert {outcome.index for outcome in outcomes} >= set(range(len(fixed())))
    assert sum(outcome.points for outcome in outcomes) > 20_000
    assert counts["no bound"] < 20
    assert counts["wrong"] == 0 <= counts["asked"] - counts["confirmed"] < 3


def test_the_refuter_sees_a_bound_that_is_too_low(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Were the sum with the constant 1 still taken for a doubling, it would be found."""
    from rational_approx.programs import rounding_errors as evaluation

    exact = evaluation._is_exact
    monkeypatch.setattr(evaluation, "_is_exact", lambda step: step.op == "add" or exact(step))
    outcomes = list(batch(7, range(4), Counter(), ["NumPy"]))
    assert all(outcome.ratio > 1.2 for outcome in outcomes)


@pytest.mark.peers
def test_xla_merges_no_constants_of_jax_code() -> None:
    """It did: (x + a) - b became x + (a - b), and the largest difference 1.16 times the bound."""
    pytest.importorskip("jax", reason="jax is not installed")
    counts: Counter[str] = Counter()
    outcomes = list(batch(7, range(40), counts, ["JAX, compiled"]))
    assert not [outcome for outcome in outcomes if outcome.ratio > 1]
