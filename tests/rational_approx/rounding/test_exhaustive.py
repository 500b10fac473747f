"""Every number of a format: none is left out, and the errors are those of the exported code."""

import numpy as np
import pytest

from rational_approx import Domain, Rational, Target, certify, export, fit
from rational_approx.programs.rounding_errors import evaluation_error
from rational_approx.rounding.exhaustive import exhaustive_error


@pytest.fixture(scope="module")
def gate():
    best = fit("jumprelu", (9, 8))
    return best, best.rounded("float32", "monomial")


def all_float16(domain: Domain) -> np.ndarray:
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
    x = np.unique(x[np.isfinite(x)])
    inside = np.zeros(x.shape, dtype=bool)
    for lower, upper in domain.intervals:
        inside |= (x >= float(lower)) & (x <= float(upper))
    return x[inside]


def test_the_answer_is_that_of_the_exported_code_at_all_numbers_of_float16(gate):
    best, rational = gate
    found = exhaustive_error(rational, best.target, "float16")
    x = all_float16(best.target.domain)
    space: dict = {}
    exec(export(rational, "numpy"), space)
    y = space["rational"](x.astype(np.float32)).astype(np.float64)
    errors = np.zeros(x.shape)
    for piece in best.target.pieces:
        here = (x >= float(piece.lower)) & (x <= float(piece.upper))
        errors[here] = np.maximum(errors[here], np.abs(piece.function(x[here]) - y[here]))
    assert found.error == errors.max()
    assert errors[x == found.worst] == found.error


def test_it_lies_inside_the_proved_total(gate):
    best, rational = gate
    total = float(certify(rational, best.target).upper + evaluation_error(rational).bound)
    for format in ("float16", "bfloat16"):
        assert 0 < exhaustive_error(rational, best.target, format).error <= total


@pytest.mark.parametrize(("domain", "count"), [((0, 1), 15361), ((-1, 0), 15361), ((-1, 1), 30721), ((1, 2), 1025)])
def test_no_number_of_float16_is_left_out(domain, count):
    rational = fit("exp(x)", (1, 1), domain).rational.monomial()
    assert exhaustive_error(rational, Target("exp(x)", domain), "float16").inputs == count
    assert all_float16(Domain.of(domain)).size == count


def test_float32_on_a_short_interval_in_parts_with_progress():
    best = fit("exp(x)", (3, 3), (1, 1.25))
    calls: list[tuple[int, int]] = []
    found = exhaustive_error(best.rounded("float32"), best.target, "float32", progress=lambda *done: calls.append(done))
    assert found.inputs == (1 << 21) + 1
    assert [done for done, _ in calls] == [1 << 20, 1 << 21, (1 << 21) + 1]
    assert all(total == found.inputs for _, total in calls)


def test_a_pole_shows_as_no_number():
    target = Target("x", (-1, 1))
    rational = Rational(target.domain.intervals[0], (target.domain.lower * 0, target.domain.upper), target.domain)
    found = exhaustive_error(rational, target, "float16")
    assert np.isnan(found.error)
    assert found.worst == 0


def test_what_cannot_be_tried_is_refused(gate):
    best, rational = gate
    with pytest.raises(ValueError, match="too many"):
        exhaustive_error(rational, best.target, "float64")
    half_line = fit("exp(-x)", (2, 3), (0, float("inf")))
    with pytest.raises(ValueError, match="bounded"):
        exhaustive_error(half_line.rational, half_line.target, "float16")
    x = np.linspace(-1, 1, 50)
    with pytest.raises(ValueError, match="samples"):
        exhaustive_error(rational, Target((x, x)), "float16")
