"""Gaps around zeros that no rational shares: between which numbers they lie, and what is not left out."""

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rational_approx import Target
from rational_approx.targets.gaps import neighbours


@given(st.floats(-1e6, 1e6), st.fractions(Fraction(1, 1000), Fraction(999, 1000)))
def test_neighbours_are_two_floats_with_none_between(x: float, share: Fraction) -> None:
    above = math.nextafter(x, math.inf)
    if abs(x) < 1e-60:  # there the next float may be as near as a zero is located
        return
    low, high = neighbours(Fraction(x) + (Fraction(above) - Fraction(x)) * share, 53)
    assert (low, high) == (Fraction(x), Fraction(above))


def test_a_number_of_the_format_is_none_of_its_neighbours() -> None:
    low, high = neighbours(Fraction(3, 2), 53)
    assert (float(low), float(high)) == (math.nextafter(1.5, 0), math.nextafter(1.5, 2))


@pytest.mark.parametrize(
    ("text", "domain", "zeros"),
    [
        ("cos(3 * x)", (0, 3), lambda: [mpmath.pi * k / 6 for k in (1, 3, 5)]),
        ("exp(x) - 2", (0, 1), lambda: [mpmath.log(2)]),
        ("x^3 - 2", (-3, 3), lambda: [mpmath.cbrt(2)]),
        ("besselj(0, x)", (1, 8), lambda: [mpmath.besseljzero(0, 1), mpmath.besseljzero(0, 2)]),
        ("abs(x) - sqrt(2)", (-3, 3), lambda: [-mpmath.sqrt(2), mpmath.sqrt(2)]),
    ],
)
def test_every_float64_but_none_between_the_neighbours_stays_in_the_domain(text, domain, zeros) -> None:  # type: ignore[no-untyped-def]
    target = Target(text, domain, weight="relative")
    ends = [end for pair in target.domain.intervals for end in pair]
    assert (ends[0], ends[-1]) == domain
    gaps = list(zip(ends[1:-1:2], ends[2:-1:2], strict=True))
    assert len(gaps) == len(target.left_out)
    with mpmath.workdps(40):
        for (low, high), zero in zip(gaps, zeros(), strict=True):
            assert (low, high) == (Fraction(float(low)), Fraction(float(high)))
            assert mpmath.mpf(float(low)) < zero < mpmath.mpf(float(high))
            assert math.nextafter(float(low), math.inf) == float(high)


def test_with_digits_the_neighbours_are_those_of_mpmath() -> None:
    (gap,) = Target("cos(x)", (1, 2), weight="relative", digits=50).left_out
    with mpmath.workdps(50):
        assert gap.upper - gap.lower == Fraction(2) ** (1 - mpmath.mp.prec)
        near = mpmath.pi / 2
        assert mpmath.mpf(gap.lower.numerator) / gap.lower.denominator <= near


def test_what_holds_no_number_of_the_format_falls_away() -> None:
    target = Target("cos(x)", (1, "1.5707963267948967"), weight="relative")
    assert target.domain.intervals == ((1, Fraction(1.5707963267948966)),)


@pytest.mark.parametrize(
    ("text", "domain", "weight"),
    [
        ("tanh(x)", (-1, 1), "relative"),
        ("cos(x)", (1, 2), None),
        ("cos(x)", (0, 1), "relative"),
        ("exp(x)", (0, 1), "x+1"),
    ],
)
def test_nothing_is_left_out_where_the_error_is_finite(text, domain, weight) -> None:  # type: ignore[no-untyped-def]
    target = Target(text, domain, weight=weight)
    assert target.domain.intervals == (domain,)
    assert target.left_out == ()


def test_a_domain_that_ends_beside_a_zero_stays_as_it_is() -> None:
    target = Target("cos(x)", (0, 1.5707963267948966), weight="relative")
    assert target.domain.intervals == ((0, Fraction("1.5707963267948966")),)
    (gap,) = target.left_out
    assert not gap.inside
    assert 0 < gap.zero - gap.lower < Fraction(1, 10**15)
