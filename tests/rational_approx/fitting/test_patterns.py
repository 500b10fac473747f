"""The best among denominators of any sign on each interval: against linear programmes, closed forms and dense looks."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.optimize import linprog

from rational_approx import DidNotConverge, Fit, fit, load, save
from rational_approx.arithmetic.signs import sign_on
from rational_approx.commands.main import main
from rational_approx.problem.competitors import patterns, signs_of
from rational_approx.shipping.documents import canonical_hash, document, from_document

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


@pytest.mark.parametrize(
    ("target", "degree", "domain", "weight"),
    [
        ("exp(x)", (2, 2), [(-2, -1), (1, 2), (7, 8)], None),
        pytest.param("exp(x)", (0, 1), [(-2, -1), (1, 2)], None, marks=pytest.mark.slow),
        ("tanh(4*x)", (1, 2), [(-1.7, -1.3), (0.3, 0.4), (0.5, 2)], "1+x^2"),
        ("sin(3*x)", (2, 2), [(-1.3, -1), (-0.9, -0.6), (0.9, 2)], None),
        # Degenerate: the best of some pattern has a smaller type, and its own denominator other signs.
        pytest.param("abs(x)", (5, 4), [(-1, -0.1), (0.1, 1)], None, marks=pytest.mark.slow),
        pytest.param("sign(x)", (5, 4), [(-1, -0.1), (0.1, 1)], None, marks=pytest.mark.slow),
        pytest.param("x^2+exp(-x^2)", (4, 4), [(-2, -1), (1, 2)], None, marks=pytest.mark.slow),
        ("cos(9*x)", (0, 2), [(-2, -1), (1, 2)], None),
    ],
)
def test_every_pattern_is_the_best_that_linear_programmes_find(
    target: str, degree: tuple[int, int], domain: Any, weight: Any
) -> None:
    found = fit(target, degree, domain, weight=weight, denominator="any")
    checked(found)
    for pattern in found.patterns:
        assert least(found, pattern.signs, degree) == pytest.approx(pattern.error, rel=5e-6)


def test_a_rational_target_is_found_for_every_pattern_that_a_common_factor_reaches() -> None:
    found = fit("1/x + 1/(x-5)", (3, 3), [(-2, -1), (1, 2), (7, 8)], denominator="any")
    checked(found)
    # Its own signs are + - +, and one factor more changes one of the gaps, or none: + - - and - - + but not + + +.
    assert {pattern.signs: pattern.error == 0 for pattern in found.patterns} == {
        (1, 1, 1): False,
        (1, 1, -1): True,
        (1, -1, 1): True,
        (1, -1, -1): True,
    }


def test_a_half_line_keeps_the_signs() -> None:
    found = fit("1/(x-3) + exp(-x)", (2, 2), [(0, 2), (4, "inf")], denominator="any")
    assert found.error == pytest.approx(0.040426378502715514)
    assert fit("1/(x-3) + exp(-x)", (2, 2), [(0, 2), (4, "inf")]).error == pytest.approx(0.40261654229670835)
    x = np.concatenate([np.linspace(0, 2, 4001), 4 + np.geomspace(1e-9, 1e6, 8001)])
    assert np.abs(found.error_at(x)).max() <= found.error * (1 + 1e-9)
    errors = found.error_at(np.array([float(point) for point in found.reference if point != float("inf")]))
    assert len(found.reference) == 6
    assert (errors[1:] * errors[:-1] < 0).all()


def test_one_interval_and_degree_zero_have_one_pattern() -> None:
    assert fit("exp(x)", (2, 2), (-1, 1), denominator="any").error == fit("exp(x)", (2, 2), (-1, 1)).error
    found = fit("exp(x)", (3, 0), [(-2, -1), (1, 2)], denominator="any")
    assert [pattern.signs for pattern in found.patterns] == [(1, 1)]
    assert found.error == fit("exp(x)", (3, 0), [(-2, -1), (1, 2)]).error


def test_conditions_and_a_relative_error_hold_for_any_sign() -> None:
    domain = [(-2, -1), (1, 2)]
    found = fit("1/x + x^7", (3, 2), domain, interpolate=(1,), denominator="any")
    assert found.rational.polynomials[0](1) == 2 * found.rational.polynomials[1](1)
    free = fit("1/x + x^7", (3, 2), domain, denominator="any")
    assert free.error == pytest.approx(2.174506805254113)
    assert found.error == pytest.approx(2.9253525631352177)
    relative = fit("x - 3/2", (2, 1), domain, weight="relative", denominator="any")
    assert relative.error == 0


def test_the_cheapest_type_counts_denominators_of_any_sign() -> None:
    domain = [(-2, -1), (1, 2)]
    any_sign, one_sign = (
        fit("1/(x - 1/3) + exp(x)", domain=domain, tolerance=1e-3, denominator=name) for name in ("any", "one sign")
    )
    assert sum(any_sign.degree) < sum(one_sign.degree)
    assert any_sign.denominator == "any"
    assert any_sign.error <= 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"denominator": "both"}, "'one sign' or 'any'"),
        ({"denominator": "any", "bounds": (0, None)}, "bounds="),
        ({"denominator": "any", "domain": [(2 * k, 2 * k + 1) for k in range(8)]}, "7 gaps"),
        ({"denominator": "any", "domain": [("-inf", -1), (1, "inf")]}, "half-line"),
    ],
)
def test_what_has_no_meaning_or_no_method_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit("exp(-x^2)", (2, 2), **{"domain": [(-2, -1), (1, 2)], **arguments})


def test_samples_are_refused() -> None:
    x = np.linspace(-1, 1, 20)
    with pytest.raises(ValueError, match="between samples"):
        fit((x, x**2), (1, 1), denominator="any")


def test_a_pattern_that_is_not_found_is_named() -> None:
    with pytest.raises(DidNotConverge, match=r"with the signs \(\+ \+\)") as caught:
        fit("tanh(4*x)", (0, 2), [(-1.6, -1), (0.1, 1.9)], denominator="any")
    attached = caught.value.fit
    assert attached is not None
    assert not attached.converged
    assert attached.denominator == "any"


def test_it_prints_saves_and_rounds(tmp_path: Path) -> None:
    found = fit(GATE, (3, 2), HALVES, denominator="any", digits=25)
    assert "best among denominators of any sign on each interval; its own has the signs + -" in str(found)
    assert "among denominators of one sign" in str(fit(GATE, (3, 2), HALVES))
    assert "denominators" not in str(fit("exp(x)", (1, 1), (0, 1)))
    again = load(save(found, tmp_path / "fit.json"))
    assert (again.denominator, again.patterns) == ("any", found.patterns)
    assert str(again) == str(replace(found, upper=None))  # a file proves nothing
    content = document(found)
    old = {key: value for key, value in content.items() if key not in ("denominator", "patterns", "hash")}
    read = from_document(old | {"hash": canonical_hash(old)})
    assert (read.denominator, read.patterns) == ("one sign", ())
    odd = old | {"denominator": "two"}
    with pytest.raises(ValueError, match="class of competitors"):
        from_document(odd | {"hash": canonical_hash(odd)})
    short = replace(found, rational=found.rounded("float32"))
    assert signs_of(short.rational, found.target.domain) == (1, -1)
    x = np.concatenate([np.linspace(-1, 0.49, 2001), np.linspace(0.51, 1, 2001)])
    assert np.abs(short.error_at(x)).max() < float(found.error) * 1.001


def test_the_command_line_takes_the_class() -> None:
    words = ["fit", "1/x", "--degree", "0", "1", "--domain", "-2", "-1", "--domain", "1", "2"]
    done = CliRunner().invoke(main, [*words, "--denominator", "any"])
    assert done.exit_code == 0
    assert "levelled error 0.0" in done.output
    assert CliRunner().invoke(main, [*words, "--denominator", "none"]).exit_code == 2


def test_an_exact_odd_target_keeps_its_numerator() -> None:
    # P and Q shared the factor x, and P was moved to vanish at 0, in the gap: r was 0, with an error of 0.
    found = fit("1/x", (4, 3), [(-0.2, -0.1), (0.1, 0.2)])
    assert found.error == 0
    assert found.rational(0.125) == pytest.approx(8)


def test_a_finish_from_a_rough_reference_is_looked_at_again() -> None:
    # The finish had left out a peak: it answered 0.9815, with an error of 1.0675 elsewhere.
    found = fit("cos(7*x)", (1, 1), [(-1.6, -1.4), (-0.9, 0.8)])
    x = np.linspace(-0.9, 0.8, 20001)
    assert found.error == pytest.approx(1)
    assert np.abs(found.error_at(x)).max() <= found.error * (1 + 1e-9)
