"""Special functions: values, derivatives and enclosures against mpmath, their ends and poles, and their proofs."""

from collections.abc import Callable
from fractions import Fraction
from math import inf
from typing import Any

import flint
import mpmath
import pytest
from flint import arb, arb_series

from rational_approx import certify, fit
from rational_approx.arithmetic.precision import series_length, to_arb, working_bits
from rational_approx.expressions.expression import ExpressionError, parse
from rational_approx.expressions.rays import beyond
from rational_approx.shipping.documents import document
from rational_approx.verifier import verify

HALF, THIRD = mpmath.mpf(1) / 2, Fraction(1, 3)


def _dawson(x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)


TRUTHS: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "lambertw(x)": (mpmath.lambertw, ("-0.3", "0", "2.5")),
    "besselj(0, x)": (lambda x: mpmath.besselj(0, x), ("-3.5", "0", "0.25", "7")),
    "besselj(3, x)": (lambda x: mpmath.besselj(3, x), ("-2", "0.5", "6")),
    "besselj(1/4, x)": (lambda x: mpmath.besselj(HALF / 2, x), ("0.25", "5")),
    "besselj(-5/2, x)": (lambda x: mpmath.besselj(-5 * HALF, x), ("0.75", "5")),
    "bessely(1, x)": (lambda x: mpmath.bessely(1, x), ("0.25", "1", "6")),
    "bessely(1/2, x)": (lambda x: mpmath.bessely(HALF, x), ("0.5", "4")),
    "besseli(2, x)": (lambda x: mpmath.besseli(2, x), ("-1.5", "0", "3")),
    "besseli(1, x)": (lambda x: mpmath.besseli(1, x), ("-1.5", "0", "3")),
    "besseli(-3/2, x)": (lambda x: mpmath.besseli(-3 * HALF, x), ("0.5", "3")),
    "besselk(0, x)": (lambda x: mpmath.besselk(0, x), ("0.25", "3")),
    "besselk(5/2, x)": (lambda x: mpmath.besselk(5 * HALF, x), ("0.5", "3")),
    "airyai(x)": (mpmath.airyai, ("-4", "0", "2")),
    "airybi(x)": (mpmath.airybi, ("-4", "0", "2")),
    "zeta(x)": (mpmath.zeta, ("-1.5", "0.5", "1.25", "6")),
    "digamma(x)": (mpmath.digamma, ("-1.5", "0.25", "5")),
    "gammainc(2, x)": (lambda x: mpmath.gammainc(2, 0, x, regularized=True), ("0.5", "4")),
    "gammainc(1/2, x)": (lambda x: mpmath.gammainc(HALF, 0, x, regularized=True), ("0.5", "4")),
    "gammaincc(5/2, x)": (lambda x: mpmath.gammainc(5 * HALF, x, regularized=True), ("0.5", "4")),
    "sinc(x)": (mpmath.sinc, ("-4", "0", "0.001", "0.75", "3")),
    "erfinv(x)": (mpmath.erfinv, ("-0.75", "0", "0.5")),
    "dawson(x)": (_dawson, ("-1", "0", "3", "12")),
}
CASES = [(text, at) for text, (_, points) in TRUTHS.items() for at in points]


def _close(ball: arb, truth: Any, tolerance: float) -> bool:
    return bool(ball.overlaps(arb(mpmath.nstr(mpmath.re(truth), 45)) + arb(0, tolerance)))


@pytest.mark.parametrize(("text", "at"), CASES)
def test_values_and_derivatives_agree_with_mpmath(text: str, at: str) -> None:
    truth, point, formula = TRUTHS[text][0], Fraction(at), parse(text)
    with mpmath.workdps(60):
        x = mpmath.mpf(point.numerator) / point.denominator
        value = mpmath.re(truth(x))
        assert abs(formula.mpf(point) - value) <= mpmath.mpf(10) ** -50 * (1 + abs(value))
    with mpmath.workdps(25):  # differences: mpmath takes limits for Y and K of an integer order, which are slow
        slow = text.startswith(("bessely(1", "besselk(0"))
        taylor = mpmath.taylor(lambda t: mpmath.re(truth(t)), x, 1 if slow else 4)
    assert formula(float(point)) == pytest.approx(float(value), rel=1e-12, abs=1e-14)
    with working_bits(200), series_length(6):
        found = formula.ball(arb_series([to_arb(point), 1], prec=6))
        for k, c in enumerate(taylor):
            assert found[k].is_finite()
            assert found[k].rad() < 1e-30
            assert _close(found[k], c, 1e-8 * (1 + abs(float(mpmath.re(c)))))


@pytest.mark.parametrize(("text", "at"), CASES)
@pytest.mark.parametrize("half", [Fraction(1, 100), Fraction(1, 7)])
def test_enclosures_on_a_box_hold_the_values_and_derivatives_at_its_points(text: str, at: str, half: Fraction) -> None:
    truth, formula = TRUTHS[text][0], parse(text)
    low, high = Fraction(at) - half, Fraction(at) + half
    with working_bits(128), series_length(8), mpmath.workdps(50):
        box = to_arb(low).union(to_arb(high))
        wide = formula.ball(arb_series([box, 1], prec=8))
        if not formula.ball(box).is_finite():  # the box reaches beyond the function's domain
            return
        for share in (0, THIRD, Fraction(9, 10), 1):
            point = low + (high - low) * share
            value = truth(mpmath.mpf(point.numerator) / point.denominator)
            assert _close(formula.ball(box), value, 1e-25 * (1 + abs(float(mpmath.re(value)))))
            narrow = formula.ball(arb_series([to_arb(point), 1], prec=8))
            assert all(wide[k].overlaps(narrow[k]) for k in range(8))
            assert all(wide[k].rad() >= 0 and not wide[k].is_nan() for k in range(8))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("lambertw(x)", -1, 0),
        ("bessely(0, x)", 0, 1),
        ("besselk(1, x)", 0, 1),
        ("besselj(1/2, x)", -1, 1),
        ("zeta(x)", Fraction(1, 2), 2),
        ("digamma(x)", Fraction(-3, 2), Fraction(-1, 2)),
        ("digamma(x)", 0, 1),
        ("erfinv(x)", 0, 1),
        ("0 * zeta(x)", 0, 2),
    ],
)
def test_no_finite_enclosure_at_a_pole_or_outside_the_domain(text: str, low: Any, high: Any) -> None:
    assert not parse(text).ball(to_arb(Fraction(low)).union(to_arb(Fraction(high)))).is_finite()


def test_incomplete_gamma_functions_begin_at_zero() -> None:
    assert parse("gammainc(1/2, x)").defined(Fraction(0), Fraction(1))
    assert not parse("gammainc(1/2, x)").defined(Fraction(-1), Fraction(1))
    assert parse("gammainc(1/2, x)").ball(arb(0)) == 0
    assert parse("gammaincc(3, x)").ball(arb(0)) == 1


@pytest.mark.parametrize(
    "text", ["besselj(x, x)", "besselk(101, x)", "gammainc(0, x)", "gammainc(-1, x)", "sinc(1, x)"]
)
def test_orders_are_numbers_within_limits(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_the_text_of_an_order_reads_back() -> None:
    for text in ("besselj(1/3, 2 * x)", "gammainc(0.5, x) + 1", "besselk(-2, x)"):
        assert parse(parse(text).text) == parse(text)
    assert parse("besselj(1 + 1, x)") == parse("besselj(2, x)")


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("sinc(x)", mpmath.sinc),
        ("dawson(x)", _dawson),
        ("airyai(x)", mpmath.airyai),
        ("zeta(1 + x)", lambda x: mpmath.zeta(1 + x)),
        ("lambertw(x) / x", lambda x: mpmath.lambertw(x) / x),
        ("besselj(0, x)", lambda x: mpmath.besselj(0, x)),
        ("besselk(1, x) * x", lambda x: x * mpmath.besselk(1, x)),
        ("gammainc(2, x)", lambda x: mpmath.gammainc(2, 0, x, regularized=True)),
        ("x * gammaincc(3, x)", lambda x: x * mpmath.gammainc(3, x, regularized=True)),
    ],
)
@pytest.mark.parametrize("start", [8, 100])
def test_values_far_out_lie_in_the_enclosure_of_a_half_line(text: str, truth: Any, start: int) -> None:
    with working_bits(128):
        ball = beyond(parse(text).tree, arb(start), 1)
        assert ball.rad() < 1
        for factor in (1, 1.3, 7, 900):
            assert _close(ball, truth(mpmath.mpf(start * factor)), 1e-20)


PROVED: list[tuple[str, tuple[int, int], Any]] = [
    *(("lambertw(x)", (4, 4), (0, 5)), ("besselj(0, x)", (4, 4), (0, 5)), ("bessely(1, x)", (3, 3), (1, 4))),
    *(("besselk(0, x)", (3, 3), ("0.5", 4)), ("exp(-x)*besseli(0, x)", (3, 3), (0, 5)), ("airyai(x)", (5, 5), (-3, 3))),
    *(("airybi(x)", (5, 3), (-2, 2)), ("zeta(x)", (3, 3), ("1.5", 6)), ("digamma(x)", (3, 3), ("0.5", 6))),
    *(("gammainc(1/2, x)", (4, 4), (0, 4)), ("gammaincc(5/2, x)", (4, 4), (0, inf)), ("sinc(x)", (4, 4), (-3, 3))),
    *(("erfinv(x)", (5, 4), ("-0.9", "0.9")), ("dawson(x)", (5, 6), (0, inf)), ("airyai(x)", (4, 5), (0, inf))),
    ("abs(besselj(1, x))", (4, 4), (-2, 2)),
]


@pytest.mark.parametrize(("text", "degree", "domain"), PROVED)
def test_a_fit_is_proved_and_the_verifier_does_not_decide(text: str, degree: tuple[int, int], domain: Any) -> None:
    found = fit(text, degree, domain)
    certificate = certify(found)
    assert certificate.status == "proved"
    assert certificate.gap <= 1e-12
    assert float(certificate.upper) == pytest.approx(found.error, rel=1e-9)
    outcome = verify(document(certificate))
    assert outcome.outcome == "not decided"
    name = next(name for name in text.replace("abs(", "").replace("exp(-x)*", "").split("("))
    assert name in outcome.failures[0]


def test_a_best_constant_has_half_the_range_as_its_error() -> None:
    found = fit("besselj(0, x)", (0, 0), (0, 3))  # decreasing there
    low = float(mpmath.besselj(0, 3))
    assert found.error == pytest.approx((1 - low) / 2, rel=1e-14)
    assert fit("sinc(x)", (0, 0), (0, "3.1")).error == pytest.approx((1 - float(mpmath.sinc(3.1))) / 2, rel=1e-14)
    assert flint.ctx.cap == 10  # series_length restores what was set before
