"""Integer powers of balls around zero: in flint alone they are not numbers, so that errors at a kink had no value."""

from fractions import Fraction

from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.expressions.enclosures import ENCLOSURES
from rational_approx.expressions.expression import parse


@given(st.fractions(-2, 2), st.fractions(0, 2), st.fractions(-1, 1), st.integers(0, 7))
def test_the_power_of_a_ball_holds_those_of_its_points(middle, radius, share, n):
    ball = arb(0, 1) * to_arb(radius) + to_arb(middle)
    power = ENCLOSURES["power"](ball, Fraction(n))
    assert power.contains(to_arb((middle + radius * share) ** n))
    largest = to_arb((abs(middle) + radius) ** n)
    assert not abs(power).upper() > largest * arb("1.001") + arb("1e-9")


def test_there_is_a_value_at_a_kink_that_no_ball_is_exactly():
    kink = Fraction(13961811, 10**7)
    for text in ("abs(x - 1.3961811)^1", "abs(x - 1.3961811)^3"):
        with working_bits(160):
            assert abs(parse(text).on(Fraction(1), kink).ball(to_arb(kink))) < 1e-40
