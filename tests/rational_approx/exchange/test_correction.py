"""Differential correction on a grid ends at the best there, as an independent linear programme finds it."""

import numpy as np
import pytest
from scipy.optimize import linprog

from rational_approx.exchange.correction import Grid, Improved, improved

REAL = (
    np.array([-0.99, -0.55, -0.4, 0.25, 0.55, 0.64, 0.75, 0.79]),
    np.array([-0.49, -0.62, 0.49, 0.36, 0.11, -0.93, -0.03, 0.7]),
)


STRICT = {"primal_feasibility_tolerance": 1e-10}


def best_of_programmes(grid: Grid, degree: tuple[int, int], **asked: object) -> Improved:
    q_now, level, best = np.ones_like(grid.t), 2 * float(np.abs(grid.s).max()), None
    for _ in range(60):
        step = improved(grid, degree, q_now, level, **asked)  # type: ignore[arg-type]
        if step is None or step.z > -1e-12:
            break
        best, q_now, level = step, step.q, float(np.abs(step.error).max())
    assert best is not None
    return best


def bisected(grid: Grid, degree: tuple[int, int], ceiling: float = np.inf) -> float:
    """The smallest error at which S Q - W P is within h Q, P at most the ceiling times Q, and Q at least 1 in size."""
    p, q = degree
    top = np.vander(grid.t, p + 1) * grid.w[:, None]
    bottom = np.vander(grid.t, q + 1) * grid.sides[:, None]
    signed = np.hstack([-top, (grid.s * grid.sides)[:, None] * bottom]) * grid.sides[:, None]
    low, high = 0.0, 2 * float(np.abs(grid.s).max())
    while high - low > 1e-11:
        h = (low + high) / 2
        room = np.hstack([0 * top, h * bottom])
        rows = [signed - room, -signed - room, np.hstack([0 * top, -bottom])]
        right = [np.zeros(2 * grid.t.size), -np.ones(grid.t.size)]
        if np.isfinite(ceiling):
            rows.append(np.hstack([top / grid.w[:, None], -ceiling * bottom]))
            right.append(np.zeros(grid.t.size))
        found = linprog(
            np.zeros(p + q + 2), np.vstack(rows), np.concatenate(right), bounds=(None, None), options=STRICT
        )
        low, high = (low, h) if found.status == 0 else (h, high)
    return high


@pytest.mark.parametrize("degree", [(2, 1), (1, 2), (0, 1), (3, 0)])
def test_the_best_on_samples(degree):
    t, s = REAL
    grid = Grid(t, s, np.ones_like(t), np.ones_like(t))
    found = best_of_programmes(grid, degree)
    assert np.abs(found.error).max() == pytest.approx(bisected(grid, degree), rel=1e-8)
    assert (found.q > 0).all()
    assert s - found.p / found.q == pytest.approx(found.error, abs=1e-7)  # in (2, 1) Q nearly vanishes at the last one


def test_the_best_with_a_sign_on_each_side_of_a_gap():
    t = np.r_[np.linspace(-2, -1, 12), np.linspace(1, 2, 12)]
    grid = Grid(t, np.exp(t), 1 + t**2, np.sign(t))
    found = best_of_programmes(grid, (1, 1))
    assert np.abs(found.error).max() == pytest.approx(bisected(grid, (1, 1)), rel=1e-7)
    assert (found.q * np.sign(t) > 0).all()


def test_the_best_below_a_ceiling_and_through_a_point():
    t = np.linspace(-1, 1, 21)
    grid = Grid(t, np.exp(t), np.ones_like(t), np.ones_like(t))
    ceiling = 2.6
    wall = (-1, np.full_like(t, ceiling), np.ones_like(t))
    found = best_of_programmes(grid, (2, 1), walls=[wall])
    assert np.abs(found.error).max() == pytest.approx(bisected(grid, (2, 1), ceiling), rel=1e-7)
    assert (found.p / found.q).max() <= ceiling * (1 + 1e-9)
    through = best_of_programmes(grid, (2, 1), through=(10, 1.0))
    assert through.p[10] / through.q[10] == pytest.approx(1, rel=1e-9)
    assert np.abs(through.error).max() >= np.abs(best_of_programmes(grid, (2, 1)).error).max()
