"""Relative errors across zeros that are no rational numbers: the best fit, its proof, and mpmath beside the zero."""

import math
from fractions import Fraction

import mpmath
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import Fit, Target, certify, fit, load, save, verify
from rational_approx.commands.main import main
from rational_approx.proof.certificate import Certificate

KINDS = [
    ("cos(x)", (4, 4), (1, 2), "relative", mpmath.cos),
    ("cos(x)", (4, 4), (-2, 2), "relative", mpmath.cos),
    ("cos(3*x)", (6, 2), (0, 3), "relative", lambda x: mpmath.cos(3 * x)),
    ("sin(x)", (5, 4), (-4, 4), "relative", mpmath.sin),
    ("erf(x) - 1/2", (4, 4), (0, 2), "relative", lambda x: mpmath.erf(x) - mpmath.mpf(1) / 2),
    ("x^2 - 2", (1, 1), (1, 2), "relative", lambda x: x * x - 2),
    ("tanh(x) - 1/3", (4, 4), (0, math.inf), "relative", lambda x: mpmath.tanh(x) - mpmath.mpf(1) / 3),
    ("airyai(x)", (4, 2), (-3, 0), "relative", mpmath.airyai),
    ("sin(x^2 - 2)", (3, 3), (1, 2), "1/abs(x^2 - 2)", lambda x: mpmath.sin(x * x - 2)),
    ("max(x^2 - 2, 2*(x^2 - 2))", (3, 3), (1, 2), "relative", lambda x: max(x * x - 2, 2 * x * x - 4)),
    ("exp(x) - exp(1/2)", (4, 2), (0, 1), "relative", lambda x: mpmath.exp(x) - mpmath.exp(0.5)),
    # The float next to a zero as an end, and an interval that holds no float beyond it.
    ("cos(x)", (4, 4), (0, 1.5707963267948966), "relative", mpmath.cos),
    ("sin(x)", (5, 4), (-3.141592653589793, 3.141592653589793), "relative", mpmath.sin),
    ("cos(x)", (3, 3), (1, "1.5707963267948967"), "relative", mpmath.cos),
]


def quotient(found: Fit, x: mpmath.mpf) -> mpmath.mpf:
    values = []
    for side in found.rational.polynomials:
        coefficients = [mpmath.mpf(int(c.p)) / int(c.q) for c in side.coeffs()]
        values.append(mpmath.polyval(coefficients[::-1], x))
    return values[0] / values[1]


def exactly(x: Fraction | float) -> mpmath.mpf:
    x = Fraction(x)
    return mpmath.mpf(x.numerator) / x.denominator


def errors_beside(found: Fit, function, scale=None) -> list[mpmath.mpf]:  # type: ignore[no-untyped-def]
    """Relative errors at the ends beside each zero, at the next floats, and further away, to 120 digits."""
    out = []
    with mpmath.workdps(120):
        for gap in found.target.left_out:
            for end, way in ((gap.lower, -1), (gap.upper, 1)):
                if end is None:
                    continue
                near = [end, Fraction(math.nextafter(float(end), way * math.inf))]
                near += [end + way * Fraction(1, 10**k) for k in range(2, 40, 3)]
                for x in near:
                    if x in found.target.domain:
                        f, at = function(exactly(x)), exactly(x)
                        out.append(abs((f - quotient(found, at)) / (f if scale is None else scale(at))))
    return out


def check(found: Fit, function, scale=None) -> Certificate:  # type: ignore[no-untyped-def]
    certificate = certify(found)
    assert certificate.status == "proved"
    assert certificate.upper is not None
    assert not certificate.exceeds
    assert 0 <= certificate.upper / certificate.best_lower - 1 < 1e-9  # the best of its type
    assert found.upper is not None
    beside = errors_beside(found, function, scale)
    assert beside
    with mpmath.workdps(120):
        assert max(beside) <= exactly(certificate.upper)
    return certificate


@pytest.mark.parametrize(("text", "degree", "domain", "weight", "function"), KINDS)
def test_the_best_is_found_and_proved_and_small_next_to_the_zero(text, degree, domain, weight, function) -> None:  # type: ignore[no-untyped-def]
    found = fit(text, degree, domain, weight=weight)
    check(found, function, None if weight == "relative" else lambda x: x * x - 2)
    inside = [gap for gap in found.target.left_out if gap.inside]
    assert str(found).count("left out: what lies between ") == len(inside)


SHAPES = {
    "exp(x)": mpmath.exp,
    "sin(x)": mpmath.sin,
    "atan(x)": mpmath.atan,
    "log(x + 3)": lambda x: mpmath.log(x + 3),
    "sqrt(x + 2)": lambda x: mpmath.sqrt(x + 2),
    "x^3 + x": lambda x: x**3 + x,
    "tanh(2*x)": lambda x: mpmath.tanh(2 * x),
    "erf(x)": mpmath.erf,
}


@given(
    st.sampled_from(sorted(SHAPES)),
    st.fractions(Fraction(-9, 10), Fraction(9, 10), max_denominator=97),
    st.tuples(st.integers(1, 4), st.integers(0, 3)),
)
@settings(max_examples=8, deadline=None)
def test_targets_that_pass_a_random_level(shape: str, at: Fraction, degree: tuple[int, int]) -> None:
    """``g(x) - c`` with a decimal c near to ``g(at)``: the zero is where mpmath has it."""
    g = SHAPES[shape]
    level = Fraction(round(float(g(exactly(at))) * 1000) * 2 + 1, 2000)
    target = Target(f"{shape} - ({level})", (-1, 1), weight="relative")
    with mpmath.workdps(60):
        zero = mpmath.findroot(lambda x: g(x) - exactly(level), float(at))
        for gap in target.left_out:
            assert abs(exactly(gap.zero) - zero) < mpmath.mpf(10) ** -50
            assert exactly(gap.lower or gap.zero) <= zero <= exactly(gap.upper or gap.zero)
    assert target.left_out or shape == "x^3 + x"
    if target.left_out:
        check(fit(target, degree), lambda x: g(x) - exactly(level))


def test_an_error_of_24_digits() -> None:
    found = fit("cos(x)", (8, 8), (1, 2), weight="relative")
    assert found.error < 1e-23
    check(found, mpmath.cos)


def test_digits_that_are_asked_for() -> None:
    """The gap is one of 50 digits, and the error next to it as small as it is elsewhere."""
    found = fit("log(x) - 1", (3, 3), (2, 4), weight="relative", digits=50)
    (gap,) = found.target.left_out
    assert gap.upper - gap.lower < Fraction(1, 10**50)
    check(found, lambda x: mpmath.log(x) - 1)


def test_an_exact_target_has_no_error() -> None:
    assert fit("(x^2 - 2) / (x^2 + 1)", (2, 2), (-2, 2), weight="relative").error == 0


def test_bounds_a_slope_and_a_tolerance_go_with_it() -> None:
    walled = fit("cos(x)", (3, 2), (1, 2), weight="relative", bounds=("-0.41615", 1))
    check(walled, mpmath.cos)
    falling = fit("cos(x)", (3, 0), (1, 2), weight="relative", bounds="decreasing")
    check(falling, mpmath.cos)
    cheap = fit("log(x) - 1", domain=(2, 4), weight="relative", tolerance=1e-2)
    assert 1e-4 < cheap.error <= 1e-2


def test_a_symmetry_is_divided_out_with_its_zeros() -> None:
    """An even target with zeros at -1 and 1, which rationals share, and an odd one with zeros at -pi, 0 and pi."""
    even = fit("(x^2 - 1) * exp(-x^2)", (4, 4), (-2, 2), weight="relative")
    assert all(c == 0 for c in even.rational.numerator[1::2])
    odd = fit("sin(x)", (5, 4), (-4, 4), weight="relative")
    assert all(c == 0 for c in odd.rational.numerator[0::2])
    for found in (even, odd):
        assert found.target.relative_zeros
        assert certify(found).status == "proved"


def test_the_command_line_and_the_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    run = CliRunner().invoke
    fitted, proof = str(tmp_path / "fit.json"), str(tmp_path / "proof.json")
    asked = ["fit", "cos(x)", "--domain", "1", "2", "--degree", "3", "3", "--weight", "relative", "--out", fitted]
    first = run(main, asked)
    assert first.exit_code == 0, first.output
    assert "between the neighbouring float64 numbers 1.5707963267948966 and 1.5707963267948968" in first.output
    again = load(fitted)
    assert str(again).splitlines()[:3] == first.output.splitlines()[:3]
    second = run(main, ["certify", fitted, "--out", proof])
    assert second.exit_code == 0, second.output
    third = run(main, ["verify", proof])
    assert third.exit_code == 0, third.output
    assert save(again, fitted)
    assert verify(proof).ok
