"""Signs of polynomials on an interval against their roots."""

from fractions import Fraction

import flint
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx.arithmetic.signs import sign_on


@given(
    st.lists(st.fractions(-9, 9, max_denominator=50), min_size=1, max_size=7), st.fractions(-3, 3), st.fractions(0.1, 4)
)
@settings(max_examples=150, deadline=None)
def test_polynomial_signs_agree_with_the_roots(coefficients: list[Fraction], lower: Fraction, width: Fraction) -> None:
    poly = flint.fmpq_poly([flint.fmpq(c.numerator, c.denominator) for c in coefficients])
    upper = lower + width
    found = sign_on(poly, lower, upper)

    def value(x: Fraction) -> flint.fmpq:
        return poly(flint.fmpq(x.numerator, x.denominator))

    grid = [lower + width * k / 64 for k in range(65)]
    if found.sign:
        assert all(value(x) * found.sign > 0 for x in grid)
    if found.weak:
        assert all(value(x) * found.weak >= 0 for x in grid)
    if any(value(x) * value(grid[0]) < 0 for x in grid):
        assert found.sign == found.weak == 0
    if all(value(x) > 0 for x in grid) and found.sign == 0 and poly != 0:
        roots = [complex(float(r.real.mid()), float(r.imag.mid())) for r, _ in poly.numer().complex_roots()]
        assert any(abs(r.imag) < 1e-3 and float(lower) - 1e-3 < r.real < float(upper) + 1e-3 for r in roots)
