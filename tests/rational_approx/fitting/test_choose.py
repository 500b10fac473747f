"""The cheapest type, and the table of types against errors."""

import math

import numpy as np
import pytest

import rational_approx.fitting.search as search
from rational_approx import DidNotConverge, Target, fit
from rational_approx.exchange.relaxed import Exceeds
from rational_approx.fitting.best import Question, fitted
from rational_approx.fitting.cost import encrypted, operations
from rational_approx.fitting.walsh import walsh_table
from rational_approx.problem.symmetry import symmetry_of


@pytest.mark.parametrize(
    ("target", "domain", "tolerance"),
    [("exp(x)", (-1, 1), 1e-4), ("log(x + 2)", (-1, 2), 1e-4), ("sqrt(x)", (0, 1), 1e-2)],
)
def test_no_other_type_is_cheaper(target, domain, tolerance):
    problem = Target(target, domain)
    found = fit(problem, tolerance=tolerance)
    assert found.converged
    assert found.error <= tolerance
    highest = operations(found.degree)
    for p in range(highest // 2 + 1):
        for q in range(highest // 2 - p + 1):
            if operations((p, q)) >= highest:
                continue
            try:
                other = fit(problem, (p, q))
            except DidNotConverge:
                continue
            assert other.error > tolerance, other


def test_fit_takes_a_tolerance_in_place_of_a_degree():
    assert (
        fit("tanh(x)", domain=(-4, 4), tolerance=1e-4).degree == fit(Target("tanh(x)", (-4, 4)), tolerance=1e-4).degree
    )


def test_symmetry_leaves_no_useless_degree():
    even = fit(Target("cosh(x)", (-1, 1)), tolerance=1e-5)
    assert [n % 2 for n in even.degree] == [0, 0]
    odd = fit(Target("tanh(x)", (-3, 3)), tolerance=1e-5)
    assert [n % 2 for n in odd.degree] == [1, 0]
    linear = fit(Target("relu"), tolerance=0.005)
    assert linear.degree == (5, 4)
    assert operations(linear.degree, symmetry_of(linear.target)) == 3 + 2 * (2 + 2) + 1


def test_digits_are_those_of_the_answer():
    found = fit(Target("exp(x)", (-1, 1)), tolerance=1e-9, digits=30)
    assert found.digits == 30
    assert 0 < found.error <= 1e-9


def test_samples_and_relative_errors():
    x = np.linspace(0, 1, 50)
    found = fit(Target((x, np.exp(x))), tolerance=1e-3)
    assert found.error <= 1e-3
    relative = fit(Target("expm1(x)", (-1, 1), weight="relative"), tolerance=1e-4)
    assert relative.error <= 1e-4
    assert relative(0.0) == 0.0


def test_half_line():
    found = fit(Target("exp(-x)", (0, math.inf)), tolerance=1e-4)
    assert found.error <= 1e-4
    assert found.degree[0] <= found.degree[1]


def test_a_type_that_is_not_found_is_passed_over(monkeypatch):
    real = search.best
    best = fit(Target("exp(x)", (-1, 1)), tolerance=1e-6).degree

    def without_the_best(question, denominator, *how):
        if question.degree == best:
            raise DidNotConverge("not this one")
        return real(question, denominator, *how)

    monkeypatch.setattr(search, "best", without_the_best)
    other = fit(Target("exp(x)", (-1, 1)), tolerance=1e-6)
    assert other.degree != best
    assert other.error <= 1e-6


def test_a_small_tolerance_at_a_singular_end():
    # sqrt(x) of type (n, n) on [0, 1] is abs(x) of (2n, 2n) on [-1, 1]: 8 exp(-pi sqrt(2 n)) (1 + o(1)), Stahl 1993.
    found = fit("sqrt(x)", domain=(0, 1), tolerance=1e-9)
    assert found.converged
    assert found.error <= 1e-9
    assert sum(found.degree) <= 52
    assert found.error == pytest.approx(8 * math.exp(-math.pi * math.sqrt(2 * found.degree[0])), rel=0.2)


@pytest.mark.parametrize(("target", "degree"), [("sqrt(x)", (6, 5)), ("exp(x)", (12, 12)), ("abs(x-0.3)", (8, 8))])
def test_an_error_above_the_allowed_one_is_known_before_the_best_is(target, degree):
    question = Question(Target(target, (0, 1)), degree, None, (), (-math.inf, math.inf))
    best = fitted(question)
    with pytest.raises(Exceeds) as caught:
        fitted(question, allowed=best.error / 100)
    assert best.error / 100 < caught.value.least <= best.error * (1 + 1e-6)
    assert len(caught.value.reference) == sum(degree) + 2
    assert fitted(question, allowed=best.error) == best


@pytest.mark.parametrize("conditions", [{"interpolate": (0,)}, {"bounds": (0, 1)}])
def test_a_tolerance_is_met_under_conditions(conditions):
    found = fit("sigmoid(x)", domain=(-4, 4), tolerance=1e-3, **conditions)
    assert found.error <= 1e-3
    assert found.rational == fit("sigmoid(x)", found.degree, (-4, 4), **conditions).rational
    values = found(np.linspace(-4, 4, 2001))
    assert found.rational(0) == 0.5 if "interpolate" in conditions else values.min() >= 0 and values.max() <= 1


def test_a_tolerance_out_of_reach_is_said():
    x = np.linspace(-1, 1, 9)
    with pytest.raises(DidNotConverge, match="meets the tolerance") as caught:
        fit(Target((x, np.sin(40 * x))), tolerance=1e-9)
    assert caught.value.cause == "tolerance"
    assert caught.value.fit is not None
    assert caught.value.fit.converged


@pytest.mark.parametrize("tolerance", [0, -1e-3, math.nan, math.inf, "small", True, [1e-3]])
def test_bad_tolerances(tolerance):
    with pytest.raises(ValueError, match="tolerance must be a positive number"):
        fit(Target("exp(x)", (-1, 1)), tolerance=tolerance)


def test_blocks_of_the_table():
    table = walsh_table(Target("abs(x)", (-1, 1)), 4, 3)
    assert {pair for pair, block in table.blocks.items() if block == (2, 2)} == {(2, 2), (3, 2), (2, 3), (3, 3)}
    assert table.errors[4, 2] == fit("abs(x)", (4, 2), (-1, 1)).error
    assert len(str(table).splitlines()) == 2 + 5


def test_blocks_of_a_constant_plus_an_odd_function():
    table = walsh_table("1/(1+exp(-x))", 4, 3, (-2, 2))
    assert "c + odd" in str(table)
    for degree in ((1, 0), (2, 0), (3, 0), (2, 1), (2, 2), (3, 2), (3, 3), (1, 2)):
        assert table.errors[degree] == pytest.approx(fit("1/(1+exp(-x))", degree, (-2, 2)).error, rel=1e-12)
    assert table.blocks[2, 1] == (1, 0)
    assert table.cheapest(table.errors[3, 0]) == (3, 0)


def test_errors_fall_along_rows_and_columns():
    table = walsh_table(Target("exp(x)", (-1, 1)), 4, 4)
    for (p, q), error in table.errors.items():
        for larger in ((p + 1, q), (p, q + 1)):
            if larger in table.errors:
                assert table.errors[larger] < error
        assert table.blocks[p, q] == (p, q)


def test_table_of_a_gate_by_name_and_cells_without_a_fit():
    assert walsh_table("relu", 3, 2).errors[3, 2] == pytest.approx(0.02184450634603818, rel=1e-12)
    relative = walsh_table(Target("x", (-1, 1), weight="relative"), 1, 1)
    assert relative.errors[0, 0] is None
    assert "?" in str(relative)


@pytest.mark.parametrize("sizes", [(-1, 2), (2, 1.5), (True, 1)])
def test_bad_sizes_of_the_table(sizes):
    with pytest.raises(ValueError, match="must be an integer of at least 0"):
        walsh_table("relu", *sizes)


@pytest.mark.parametrize(
    ("target", "domain", "tolerance"),
    [("exp(x)", (-1, 1), 1e-4), ("tanh(x)", (-2, 2), 1e-3), ("silu", (-4, 4), 1e-2), ("log(x + 2)", (-1, 2), 1e-3)],
)
def test_no_polynomial_costs_less_on_ciphertexts(target, domain, tolerance):
    # A division alone takes 8 levels: as long as a polynomial has fewer, only polynomials matter.
    problem = Target(target, domain)
    found = fit(problem, tolerance=tolerance, cost="depth")
    assert found.converged
    assert found.error <= tolerance
    assert found.degree[1] == 0
    symmetry = symmetry_of(problem)
    cost = encrypted(found.degree, symmetry)
    assert cost.levels < 8
    for p in range(2**cost.levels):
        other = fit(problem, (p, 0))
        # Of other degrees the best has the symmetry, too, and is the best of a smaller degree.
        if other.rational.type[0] == p and encrypted((p, 0), symmetry) <= cost:
            assert other.error > tolerance or encrypted((p, 0), symmetry) == cost
            assert other.error >= found.error


def test_no_rational_costs_less_on_ciphertexts():
    problem = Target("sqrt(x)", (0, 1))
    found = fit(problem, tolerance=3e-4, cost="depth")  # polynomials of degree 255 reach 5.5e-4
    cost = encrypted(found.degree)
    assert found.error <= 3e-4
    assert cost.levels == 3 + 8
    for p in range(8):
        for q in range(1, 8):
            if encrypted((p, q)) > cost or (p, q) == found.degree:
                continue
            try:
                other = fit(problem, (p, q))
            except DidNotConverge:
                continue
            assert other.error > (3e-4 if encrypted((p, q)) < cost else found.error)


def test_a_cost_on_a_half_line_and_of_samples():
    found = fit("exp(-x)", domain=(0, math.inf), tolerance=1e-3, cost="depth")
    assert found.error <= 1e-3
    assert encrypted(found.degree).levels == 2 + 8
    x = np.linspace(0, 1, 50)
    found = fit(Target((x, np.exp(x))), tolerance=1e-3, cost="depth")
    assert found.degree == (3, 0)
    assert found.error <= 1e-3


def test_what_is_a_cost():
    with pytest.raises(ValueError, match="cost must be one of 'operations', 'depth', not 'time'"):
        fit("exp(x)", domain=(-1, 1), tolerance=1e-3, cost="time")
    with pytest.raises(ValueError, match="chooses among types"):
        fit("exp(x)", (3, 0), (-1, 1), cost="depth")
    plain = fit("exp(x)", domain=(-1, 1), tolerance=1e-3)
    assert type(fit("exp(x)", domain=(-1, 1), tolerance=1e-3, cost="depth")) is type(plain)
    assert plain.rational == fit("exp(x)", domain=(-1, 1), tolerance=1e-3, cost="operations").rational


def test_a_cost_out_of_reach_is_said():
    x = np.linspace(-1, 1, 6)
    with pytest.raises(DidNotConverge, match="meets the tolerance") as caught:
        fit(Target((x, np.cos(40 * x + 1))), tolerance=1e-9, cost="depth")
    assert caught.value.cause == "tolerance"
