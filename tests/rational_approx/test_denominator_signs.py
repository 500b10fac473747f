"""The best among denominators of any sign on each interval: against linear programmes, closed forms and dense looks."""

from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.optimize import linprog

from rational_approx import DidNotConverge, Fit, fit, load, save
from rational_approx.__main__ import main
from rational_approx.bernstein import sign_on
from rational_approx.signs import patterns, signs_of

HALVES = [(-1, "49/100"), ("51/100", 1)]
GATE = "where(x > 0.5, x, 0)"


def chebyshev(lower: float, upper: float, count: int) -> np.ndarray:
    x = (lower + upper) / 2 - (upper - lower) / 2 * np.cos(np.pi * np.arange(count) / (count - 1))
    return np.clip(x, lower, upper)


def least(found: Fit, signs: tuple[int, ...], degree: tuple[int, int]) -> float:
    """The smallest error of a pattern on a grid, by bisection with linear programmes; peaks are put into the grid.

    Only the target's values are used, never the fit. On a grid no error is larger than on the domain.
    """
    p, q = degree
    domain = found.target.domain
    lower, upper = float(domain.lower), float(domain.upper)
    fine = [chebyshev(float(a), float(b), 3000) for a, b in domain.intervals]
    used = [np.zeros(grid.size, dtype=bool) for grid in fine]
    for mask in used:
        mask[:: max(1, mask.size // 60)] = True
        mask[-1] = True

    def columns(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        t = (2 * x - lower - upper) / (upper - lower)
        f, w = np.empty_like(x), np.empty_like(x)
        for piece in found.target.pieces:
            here = (x >= float(piece.lower)) & (x <= float(piece.upper))
            f[here], w[here] = piece.function(x[here]), piece.weight(x[here])
        table = np.polynomial.chebyshev.chebvander(t, max(p, q))
        return table[:, : p + 1], table[:, : q + 1], f, w

    def solve(h: float) -> np.ndarray | None:
        x = np.concatenate([grid[mask] for grid, mask in zip(fine, used, strict=True)])
        side = np.concatenate([np.full(mask.sum(), s) for mask, s in zip(used, signs, strict=True)])
        top, bottom, f, w = columns(x)
        signed = side[:, None] * bottom
        error = np.hstack([-w[:, None] * top, (w * f)[:, None] * bottom])
        room = np.hstack([np.zeros_like(top), h * signed])
        floor = np.hstack([np.zeros_like(top), -signed])
        rows, right = np.vstack([error - room, -error - room, floor]), np.r_[np.zeros(2 * x.size), -np.ones(x.size)]
        size = np.abs(rows).max(axis=1, keepdims=True)
        options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        answer = linprog(np.zeros(p + q + 2), rows / size, right / size[:, 0], bounds=(None, None), options=options)
        return answer.x if answer.status == 0 else None

    high = 1.01 * max(float(np.abs(f * w).max()) for _, _, f, w in map(columns, fine))
    low = 0.0
    for _ in range(12):
        level, best = high, None
        while level - low > 1e-8 * level + 1e-12:
            middle = (low + level) / 2
            answer = solve(middle)
            low, level, best = (middle, level, best) if answer is None else (low, middle, answer)
        if best is None:
            break
        largest = 0.0
        for grid, mask in zip(fine, used, strict=True):
            top, bottom, f, w = columns(grid)
            e = np.abs(w * (f - top @ best[: p + 1] / (bottom @ best[p + 1 :])))
            mask |= np.r_[True, e[1:] >= e[:-1]] & np.r_[e[:-1] >= e[1:], True]
            largest = max(largest, float(e.max()))
        if largest < level * (1 + 1e-8):
            break
        low *= 1 - 1e-7  # with more points no level falls, but for the tolerance of the linear programmes
    return level


def checked(found: Fit) -> None:
    """Every pattern: its signs, no error above its own on a dense look, and as many alternating points as it needs."""
    p, q = found.degree
    gaps = len(found.target.domain.intervals) - 1
    assert [pattern.signs for pattern in found.patterns] == patterns(gaps + 1, q)
    assert found.error == min(pattern.error for pattern in found.patterns)
    for pattern in found.patterns:
        r, own = pattern.rational, signs_of(pattern.rational, found.target.domain)
        assert pattern.converged
        signs = [sign_on(r.polynomials[1], a, b).sign for a, b in found.target.domain.intervals]
        assert tuple(s * signs[0] for s in signs) == own
        top, bottom = (side.degree() for side in r.polynomials)
        defect = min(p - top, q - bottom) if r.polynomials[0] != 0 else q
        factor = [a * b for a, b in zip(own, pattern.signs, strict=True)]
        assert sum(a != b for a, b in pairwise(factor)) <= defect
        size = noise = 0.0
        for piece in found.target.pieces:
            x = chebyshev(float(piece.lower), float(piece.upper), 20001)[1:-1]
            w, f = piece.weight(x), piece.function(x)
            size, noise = max(size, float(np.abs(w * (f - r(x))).max())), max(noise, 1e-13 * float(np.abs(w * f).max()))
        assert size <= pattern.error * (1 + 1e-9) + noise
        if pattern.error <= 100 * noise:
            continue
        turned = []
        for point in pattern.reference:
            k = next(k for k, (a, b) in enumerate(found.target.domain.intervals) if a <= point <= b)
            piece = next(piece for piece in found.target.pieces if piece.lower <= point <= piece.upper)
            x = np.array([float(point)])
            e = float((piece.weight(x) * (piece.function(x) - r(x)))[0])
            assert abs(e) == pytest.approx(pattern.error, rel=1e-6, abs=noise)
            turned.append(e * factor[k])
        assert len(turned) >= p + q + 2 - defect
        assert all(a * b < 0 for a, b in pairwise(turned))


def test_a_simple_pole_in_the_gap_is_exact() -> None:
    found = fit("1/x", (0, 1), [(-2, -1), (1, 2)], denominator="any")
    assert found.error == 0
    assert found.rational.type == (0, 1)
    # One sign: r = P/Q has one sign on both intervals, 1/x is 1 and -1 at 1 and -1, so no error is below 1.
    assert fit("1/x", (0, 1), [(-2, -1), (1, 2)]).error == 1
    assert [pattern.error for pattern in found.patterns] == [1, 0]


@pytest.mark.parametrize(
    ("target", "degree", "domain", "one", "best"),
    [
        ("tan(x)", (1, 1), [(0, 1.5), (1.65, 3)], 12.712220077, 0.566849019771),
        (GATE, (5, 4), HALVES, 0.030484171370, 0.029648279622),
        ("jumprelu", (3, 2), None, 0.069854232102, 0.062257997084),
    ],
)
def test_a_change_of_sign_in_the_gap_pays(
    target: str, degree: tuple[int, int], domain: Any, one: float, best: float
) -> None:
    found = fit(target, degree, domain, denominator="any")
    plain = fit(target, degree, domain)
    checked(found)
    assert plain.error == pytest.approx(one, rel=1e-9)
    assert found.error == pytest.approx(best, rel=1e-9)
    assert found.patterns[0].error == plain.error
    assert signs_of(found.rational, found.target.domain) == (1, -1)
    for pattern in found.patterns:
        assert least(found, pattern.signs, degree) == pytest.approx(pattern.error, rel=2e-6)
