"""What no fixed look sees: narrow features, found by enclosures and by the search that ends every fit."""

import math

import mpmath
import numpy as np
import pytest

from rational_approx import certify, fit

NARROW = [
    ("tanh(x)+0.01*exp(-((x-0.7312345)/0.003)^2)", (5, 4), (-3, 3)),
    ("exp(x)+0.01/(1+((x-0.61234567)*1e6)^2)", (4, 4), (-1, 1)),
    ("sqrt(x+1)+0.02*exp(-((x-50.123)/0.03)^2)", (4, 4), (0, 100)),
    ("exp(-((x-0.3141)/0.01)^2)", (6, 6), (-1, 1)),
    ("exp(-((x-0.3141)/0.001)^2)", (6, 6), (-1, 1)),
    ("tanh(x)+0.1*exp(-((x-0.3)/0.01)^2)", (6, 6), (-3, 3)),
    # Ramps, whose best of the next type is better by a millionth or less: a pole and a zero almost cancel.
    ("clip(1000*(x-0.3), 0, 1)", (9, 9), (-1, 1)),
    ("clip(1000*(x-0.3), 0, 1)", (8, 7), (-1, 1)),
    ("clip(10000*(x-0.3), 0, 1)", (9, 9), (-1, 1)),
    ("clip(1000*(x-0.3), 0, 1)-clip(1000*(x+0.2), 0, 1)", (9, 9), (-1, 1)),
    # The best of (4, 4) alternates at 10 points, and at an eleventh that is lower by 9e-8.
    ("exp(-((x+1.0043406)/0.0000086)^2)", (5, 5), ("-1.2", "1.2")),
    # More waves than the type follows.
    ("x*sin(1/x)", (14, 14), (0.01, 1)),
    pytest.param("x*sin(1/x)", (20, 20), (0.01, 1), marks=pytest.mark.slow),
    # One peak on a symmetric domain: to a look that misses it the target is even.
    ("exp(-((x+1.0043406)/0.0000086)^2)", (4, 4), ("-1.2", "1.2")),
    # Rationals of the type, though floats show an error of them.
    ("1/(1+((x-0.5691729)/0.00003)^2)", (8, 9), ("-0.8", "0.8")),
]


@pytest.mark.parametrize(("target", "degree", "domain"), NARROW)
def test_a_fit_of_narrow_features_is_best_and_proved(target, degree, domain):
    found = fit(target, degree, domain)
    assert found.upper is not None
    assert float(found.upper) == pytest.approx(found.error, rel=2e-9)
    certificate = certify(found)
    assert certificate.status == "proved"
    assert not certificate.exceeds
    assert certificate.upper <= certificate.best_lower * (1 + 1e-9)  # no rational of the type is better


def test_the_best_of_a_smaller_type_that_is_worse_by_a_hundred_millionth_is_not_called_best():
    question = "exp(-((x+1.0043406)/0.0000086)^2)", ("-1.2", "1.2")
    smaller, larger = (fit(question[0], degree, question[1]) for degree in ((4, 4), (5, 5)))
    assert 0 < 1 - larger.error / smaller.error < 2e-8


@pytest.mark.parametrize(
    ("target", "degree"), [("exp(x)", (40, 40)), ("sin(x)", (39, 40)), ("exp(-x^2)", (40, 40)), ("cosh(x)", (50, 50))]
)
def test_errors_of_a_hundred_digits_below_the_target_are_best_and_proved(target, degree):
    """Of these even the level equations' solution needs more digits than the answer has."""
    certificate = certify(fit(target, degree, (-1, 1)))
    assert certificate.status == "proved"
    assert certificate.upper <= certificate.best_lower * (1 + 1e-9)


def test_the_error_of_exp_follows_meinardus():
    # exp on [-1, 1], type (n, n): n! n! / (2^(2n) (2n)! (2n + 1)!) (1 + o(1)); Meinardus 1964, Braess 1984.
    n = 40
    law = mpmath.mpf(math.factorial(n)) ** 2 / (2 ** (2 * n) * math.factorial(2 * n) * math.factorial(2 * n + 1))
    assert fit("exp(x)", (n, n), (-1, 1)).error == pytest.approx(float(law), rel=0.02)


@pytest.mark.parametrize(("target", "degree", "like"), [("x^0.5", (12, 12), (24, 24)), ("sqrt(x)", (20, 20), (40, 40))])
def test_a_root_is_as_hard_as_abs_of_twice_the_type(target, degree, like):
    # sqrt(x) on [0, 1] and abs(t) on [-1, 1] are one problem, by x = t^2.
    assert fit(target, degree, (0, 1)).error == pytest.approx(fit("abs(x)", like, (-1, 1)).error, rel=1e-13)


def test_a_power_follows_stahls_asymptotics():
    # x^a on [0, 1], type (n, n): 4^(1 + a) sin(pi a) exp(-2 pi sqrt(a n)) (1 + o(1)), Stahl 2003.
    found, a, n = fit("x^0.3", (20, 20), (0, 1)), 0.3, 20
    assert found.error == pytest.approx(4 ** (1 + a) * np.sin(np.pi * a) * np.exp(-2 * np.pi * np.sqrt(a * n)), rel=0.2)


def test_a_callable_of_one_number_is_asked_some_thousand_times():
    asked = []

    def airy(x):
        asked.append(x)
        return mpmath.airyai(x)

    found = fit(airy, (8, 8), (-4, 4))
    assert found.error == pytest.approx(fit("airyai(x)", (8, 8), (-4, 4)).error, rel=1e-9)
    assert len(asked) < 20_000  # 97,000 before there were interpolants
