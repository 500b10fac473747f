"""A target that is written as a rational of the type is fitted by itself, however narrow its peaks."""

from fractions import Fraction
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import certify, fit

fractions = st.fractions(min_value=-2, max_value=2, max_denominator=10**7)
widths = st.fractions(min_value=Fraction(1, 10**7), max_value=1, max_denominator=10**7)


@settings(max_examples=15, deadline=None)
@given(fractions, widths, fractions, st.integers(0, 3), st.integers(0, 3))
def test_peaks_of_any_width(centre: Fraction, width: Fraction, height: Fraction, p: int, q: int) -> None:
    text = f"1 / (1 + ((x - ({centre})) / ({width}))^2) + ({height}) * x"
    found = fit(text, (3 + p, 2 + q), (-1, 1))
    assert found.error == 0
    assert certify(found).upper == 0
    for x in (Fraction(1, 3), Fraction(-4, 5)):
        assert found.rational(float(x)) == pytest.approx(
            float(1 / (1 + ((x - centre) / width) ** 2) + height * x), rel=1e-9
        )


def test_two_peaks_with_a_weight() -> None:
    text = "1/(1+((x-0.9353253)/0.000041)^2) + 1/(1+((x-0.5684233)/0.000029)^2)"
    found = fit(text, (6, 6), ("0.3", "1.4"), weight="1/(1+x^2)")
    assert found.error == 0
    assert found.rational.type == (2, 4)


@pytest.mark.parametrize("domain", [(-inf, inf), (0, inf), (-inf, -1), [(-2, -1), (1, 3)]])
def test_half_lines_and_unions(domain: object) -> None:
    found = fit("(1 - x) / (2 + x^2)", (3, 4), domain)
    assert found.error == 0
    assert certify(found).status == "proved"


def test_only_what_meets_all_that_is_asked() -> None:
    assert fit("x^2", (3, 2), (-1, 1), bounds=(0, 1)).error == 0
    assert fit("x^2", (3, 2), (-1, 1), interpolate={0.5: 0.25}).error == 0
    one_sign = fit("1 / x", (1, 1), [(-2, -1), (1, 2)])
    assert one_sign.error > 0.4  # a denominator of one sign is no 1 / x here
    assert fit("1 / x", (1, 1), [(-2, -1), (1, 2)], denominator="any").error == 0
    assert fit("1 / (1 + x^2)", (0, 1), (-1, 1)).error == Fraction(1, 4)


def test_a_branch_that_is_decided_on_the_domain_is_none():
    """Its long coefficients are no simple fractions, which the exchange would find."""
    found = fit(
        "1.0507009873554804934193349852946 * where(1.93 * x > 0.91, 1.93 * x - 0.91, expm1(x))", (4, 5), (0.8, 3.7)
    )
    assert (found.error, found.rational.type) == (0, (1, 0))
