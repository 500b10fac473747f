"""The best on samples: against an independent linear programme, closed forms, and the certificate."""

import warnings
from fractions import Fraction

import numpy as np
import pytest

from rational_approx import DidNotConverge, Fit, Target, certify, fit, load, save, verify
from tests.adversaries.samples import EXACT, evaluated, posed, programme, solve

ISSUE = ([-0.99, -0.55, -0.4, 0.25, 0.55, 0.64, 0.75, 0.79], [-0.49, -0.62, 0.49, 0.36, 0.11, -0.93, -0.03, 0.7])
X = np.linspace(-1, 1, 41)
QUICK = (0, 1, 2, 6, 11, 12, 14, 16, 23, 25, 26)
"""Random problems that take less than a second."""


def largest(found: Fit) -> Fraction:
    x, y = found.target.samples
    top, bottom = found.rational.polynomials
    return max(abs(Fraction(b) - ratio(top, bottom, Fraction(a))) for a, b in zip(x.tolist(), y.tolist(), strict=True))


def ratio(top, bottom, x: Fraction) -> Fraction:
    import flint

    value = top(flint.fmpq(x.numerator, x.denominator)) / bottom(flint.fmpq(x.numerator, x.denominator))
    return Fraction(int(value.p), int(value.q))


@pytest.mark.parametrize("index", QUICK)
def test_an_independent_programme_finds_nothing_better_and_the_certificate_agrees(index):
    outcome = solve(posed(7, index))
    assert outcome.verdict == "agrees", outcome
    assert outcome.certified.startswith(("proved", "undecided"))
    assert "not verified" not in outcome.certified


@pytest.mark.slow
@pytest.mark.parametrize("index", sorted({*range(200)} - {*QUICK}))
def test_more_random_samples(index):
    outcome = solve(posed(7, index))
    assert outcome.verdict == "agrees", outcome
    assert "not verified" not in outcome.certified


def test_the_check_notices_another_error_and_two_signs():
    problem = posed(7, 1)
    found = fit(Target((problem.x, problem.y), weight=problem.weight), problem.degree)
    assert evaluated(problem, found.rational) == (pytest.approx(found.error, rel=1e-12), True)
    top = (found.rational.numerator[0] + Fraction(1, 10**3) * Fraction(found.error), *found.rational.numerator[1:])
    moved = type(found.rational)(top, found.rational.denominator, found.rational.domain)
    assert evaluated(problem, moved)[0] > found.error * (1 + 1e-6)
    crossing = type(found.rational)(top, (Fraction(0), Fraction(1)), found.rational.domain)
    assert not evaluated(problem, crossing)[1]
    assert programme(problem) > found.error * (1 - 1e-9)


def test_an_infimum_that_is_not_attained_is_stated_proved_and_kept(tmp_path):
    with pytest.warns(UserWarning, match="no rational of this type is best"):
        found = fit(ISSUE, (2, 1))
    assert found.error == pytest.approx(0.594201680672269, rel=1e-12)
    assert found.infimum == pytest.approx(found.error, rel=1e-12)
    assert "within 1e-12 of the best error" in str(found)
    certificate = certify(found)
    assert certificate.status == "proved"
    assert certificate.upper * (1 - Fraction(1, 10**11)) < certificate.best_lower <= certificate.upper
    assert verify(certificate).ok
    assert load(save(found, tmp_path / "fit.json")).infimum == found.infimum


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", [12, 13, 41, 47])
def test_rounded_noise_is_fitted(seed):
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(-1, 1, 8).round(2)), rng.uniform(-1, 1, 8).round(2)
    found = fit((x, y), (2, 1))
    assert float(largest(found)) == pytest.approx(found.error, rel=1e-12)
    assert np.abs(y - found(x)).max() == pytest.approx(found.error, rel=1e-9)


@pytest.mark.parametrize(("degree", "at"), [((0, 2), 0), ((1, 1), 4)])
def test_one_outlier_costs_nothing_in_the_limit(degree, at):
    # eps / (x^2 + eps) tends to the samples of zero with a one at 0; so does eps / (x - 4 + eps) at an end.
    x = np.arange(-4.0, 5.0)
    with pytest.warns(UserWarning, match="the infimum 0 "):
        found = fit((x, (x == at) * 1.0), degree)
    assert found.infimum == 0
    assert 0 < found.error <= 1e-12


def test_a_pole_between_samples_is_reported_and_nothing_about_the_samples_is_refuted():
    x = np.arange(-6.0, 7.0) + 0.5
    with pytest.warns(UserWarning, match="zeros between samples"):
        found = fit((x, 1 / x**2), (0, 2))
    assert found.error < 1e-15
    assert "the denominator has zeros between samples" in str(found)
    certificate = certify(found)
    assert (certificate.status, certificate.pole_free) == ("undecided", False)
    assert certificate.upper == largest(found)
    assert "between samples" in certificate.reason


def test_a_denominator_of_two_signs_at_samples_stays_refuted():
    with pytest.warns(UserWarning, match="between samples"):
        found = fit((np.array([-3.0, -2, -1, 1, 2, 3]), np.array([1 / 9, 1 / 4, 1, 1, 1 / 4, 1 / 9])), (0, 2))
    bottom = (Fraction(0), Fraction(1))
    crossing = type(found.rational)((Fraction(1),), bottom, found.rational.domain)
    assert certify(crossing, found.target).status == "refuted"


@pytest.mark.parametrize(
    ("function", "degree", "kind"),
    [(np.square, (3, 3), (2, 0)), (lambda x: 1 / (1 + 2 * x**2), (4, 4), (0, 2)), (lambda x: 0 * x, (2, 2), (0, 0))],
)
def test_samples_of_a_rational_come_back_as_it(function, degree, kind):
    found = fit((X, function(X)), degree)
    assert found.rational.type == kind
    assert found.error <= 2.0**-52


def test_exact_samples_have_the_error_zero():
    x = np.array([0.0, 1, 3, 7, 15, 31])
    found = fit((x, 1 / (1 + x)), (1, 1))
    assert (found.error, found.rational.type, certify(found).upper) == (0, (0, 1), 0)


def test_symmetric_samples_have_a_degenerate_best_approximant():
    x = np.arange(-10.0, 11.0)
    found = fit((x, np.abs(x)), (3, 3))
    assert found.rational.type == (2, 2)
    assert found.error == fit((x, np.abs(x)), (2, 2)).error
    certificate = certify(found)
    assert certificate.best_lower == pytest.approx(certificate.upper, rel=1e-15)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_scales_of_x_and_y_do_not_matter(scale):
    plain = fit((X, np.exp(X)), (3, 2))
    # np.exp(X) times a power of ten is rounded once more.
    assert fit((X, np.exp(X) * scale), (3, 2)).error == pytest.approx(plain.error * scale, rel=1e-8)
    assert fit((X * scale, np.exp(X)), (3, 2)).error == pytest.approx(plain.error, rel=1e-8)


def test_the_order_and_the_shape_of_samples_do_not_matter():
    y = np.exp(X)
    plain = fit((X, y), (3, 2))
    assert fit((X[::-1], y[::-1]), (3, 2)).rational == plain.rational
    assert fit(np.c_[X, y], (3, 2)).rational == plain.rational
    with pytest.raises(ValueError, match=r"a row \(x, y\) for each"):
        fit(np.ones((4, 3)), (1, 1))


def test_required_values_hold_exactly_at_samples_and_between():
    found = fit((X, np.exp(X)), (4, 2), interpolate={X[7]: None, 0.33: 1.4})
    top, bottom = found.rational.polynomials
    assert ratio(top, bottom, Fraction(X[7])) == Fraction(np.exp(X)[7])
    assert ratio(top, bottom, Fraction(33, 100)) == Fraction(7, 5)
    assert float(largest(found)) == pytest.approx(found.error, rel=1e-12)
    assert found.error > fit((X, np.exp(X)), (4, 2)).error


def test_a_required_value_that_is_an_outlier_is_refused():
    with pytest.raises(DidNotConverge, match="4 away from f there"):
        fit((X, np.exp(X)), (3, 3), interpolate={0: 5})


def test_of_many_samples_a_part_is_enough():
    x = np.linspace(-1, 1, 3001)
    found = fit((x, np.tanh(5 * x) + 0.01 * np.random.default_rng(1).normal(size=x.size)), (3, 2))
    certificate = certify(found)
    assert certificate.best_lower == pytest.approx(certificate.upper, rel=1e-12)


def test_digits_of_the_levelled_error():
    found = fit((X, np.exp(X)), (3, 2), digits=40)
    certificate = certify(found)
    assert certificate.upper - certificate.best_lower < certificate.upper / 10**39


@pytest.mark.parametrize("place", [1, 9, 17])
@pytest.mark.parametrize("size", [1e2, 1e6])
def test_an_outlier_on_samples_of_a_rational(place, size):
    # It costs one degree of P and of Q; beside it the errors are too small for the programmes to be seen.
    x = np.linspace(-997.7, 865.7, 19)
    y = 1.5e5 / (1 + ((x - 180) / 130) ** 2)
    exact = y.copy()
    y[place] += size * y[place]
    with pytest.warns(UserWarning, match=r"is best|infimum|between samples"):
        found = fit((x, y), (2, 4))
    others = np.arange(19) != place
    rounding = 2**-52 * y.max()
    assert found.error <= rounding
    assert found.rational(x[others]) == pytest.approx(exact[others], rel=1e-9, abs=2 * rounding)


def test_a_large_outlier_on_samples_that_are_exact_otherwise():
    # An outlier a trillion times as high as the error of all others hid them from the programmes.
    problem = posed(1, 278)
    with pytest.warns(UserWarning, match="by a zero and a pole beside it|zeros between samples"):
        found = fit((problem.x, problem.y), problem.degree)
    worst, one_sign = evaluated(problem, found.rational)
    assert one_sign
    assert float(worst) == pytest.approx(found.error, rel=1e-12)
    assert found.error < 1e-12 < 1e-3 * np.ptp(problem.y)


@pytest.mark.parametrize("index", [4, *(pytest.param(index, marks=pytest.mark.slow) for index in (20, 41, 42, 52))])
def test_large_outliers_on_exact_samples(index):
    """What was not solved while Q's columns in the programmes were parallel to rounding, and steps too short."""
    problem = posed(1, index, EXACT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fit((problem.x, problem.y), problem.degree)
    worst, one_sign = evaluated(problem, found.rational)
    assert one_sign
    assert float(worst) == pytest.approx(found.error, rel=1e-12)
    assert found.error <= programme(problem) * (1 + 1e-9) + 2**-52 * np.abs(problem.y).max()


def test_a_degenerate_infimum_beside_a_dropped_sample():
    """Three neighbours are 980,000, -920,000 and 980,000: no constant is nearer than 950,000 to all, and no (2, 2) that
    passes through the last sample by a zero and a pole beside it does better."""
    problem = posed(1, 564)
    with pytest.warns(UserWarning, match="infimum 950000"):
        found = fit(Target((problem.x, problem.y)), (2, 2))
    assert float(found.patterns[0].error) == 950_000
