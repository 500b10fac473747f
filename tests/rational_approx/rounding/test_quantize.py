"""Coefficients in a format: near the best error, in the format, without a pole."""

import pytest

from rational_approx import certify, fit
from rational_approx.arithmetic.floats import FORMATS, in_format, round_to
from rational_approx.programs.rounding_errors import evaluation_error
from rational_approx.rounding.quantize import quantize

FLOAT32 = [("relu", (9, 8)), ("jumprelu", (9, 8)), ("gelu", (9, 8)), ("softplus", (7, 6))]


def _ratio(name: str, degree: tuple[int, int], format: str, domain: object = None, basis: str | None = None) -> float:
    best = fit(name, degree, domain)
    short = quantize(best, format, basis)
    assert short.format == format
    assert short.type == degree
    assert all(round_to(c, format) == c for c in short.numerator + short.denominator)
    certificate = certify(short, best.target)
    assert certificate.status == "proved"
    assert certificate.pole_free
    assert certificate.upper is not None
    return float(certificate.upper) / float(best.error)


@pytest.mark.parametrize(("name", "degree"), FLOAT32)
def test_float32_costs_two_percent_at_most(name: str, degree: tuple[int, int]) -> None:
    assert 1 - 1e-9 <= _ratio(name, degree, "float32") <= 1.02


def test_float32_of_a_fit_at_the_limit_of_the_format() -> None:
    assert _ratio("tanh(x)", (9, 8), "float32", (-8, 8)) <= 1.05  # 121 by rounding each coefficient


def test_bfloat16_relu() -> None:
    assert _ratio("relu", (9, 8), "bfloat16") <= 1.1


@pytest.mark.slow
def test_bfloat16_jumprelu_has_no_pole() -> None:
    assert _ratio("jumprelu", (9, 8), "bfloat16") <= 2.5


def test_float16_uses_its_small_range() -> None:
    assert _ratio("jumprelu", (9, 8), "float16") <= 1.3


def test_float64_is_the_fit() -> None:
    assert _ratio("exp(x)", (4, 4), "float64", (-1, 1)) <= 1.001


def test_basis_is_kept_where_it_is_asked_for() -> None:
    best = fit("gelu", (9, 8))
    for basis in ("chebyshev", "monomial"):
        assert quantize(best, "float32", basis).basis == basis


def test_half_line_and_relative_weight() -> None:
    assert _ratio("exp(-x)", (3, 4), "bfloat16", (0, float("inf"))) <= 1.3
    best = fit("exp(x)", (3, 3), (-1, 1), weight="relative")
    certificate = certify(quantize(best, "bfloat16"), best.target)
    naive = certify(best.rational.rounded("bfloat16"), best.target)
    assert certificate.upper is not None
    assert naive.upper is not None
    assert certificate.upper < naive.upper / 2


def test_samples_and_callables() -> None:
    import numpy as np

    x = np.linspace(-1, 1, 201)
    for best in (fit((x, np.exp(x)), (2, 2)), fit(np.exp, (2, 2), (-1, 1))):
        short = quantize(best, "float32")
        assert np.abs(short(x) - np.exp(x)).max() <= 1.02 * float(best.error)


def test_the_same_answer_each_time() -> None:
    best = fit("gelu", (5, 4))
    assert quantize(best, "bfloat16") == quantize(best, "bfloat16")


def test_refusals() -> None:
    best = fit("exp(x)", (2, 2), (-1, 1))
    with pytest.raises(ValueError, match=r"format must be one of .*float32"):
        quantize(best, "int8")
    with pytest.raises(ValueError, match="basis must be"):
        quantize(best, "float32", "legendre")
    assert set(FORMATS) == {"float64", "float32", "bfloat16", "float16"}


def test_of_two_near_best_bases_the_one_that_evaluates_better_is_taken() -> None:
    best = fit("jumprelu", (9, 8))
    chosen = evaluation_error(best.rounded("float32")).bound
    assert chosen < evaluation_error(quantize(best, "float32", "chebyshev")).bound / 10


@pytest.mark.parametrize(("target", "degree", "bounds"), [("sigmoid(x)", (3, 2), (0, 1)), ("relu(x)", (3, 2), (0, 5))])
def test_bounds_of_a_fit_are_kept(target, degree, bounds):
    best = fit(target, degree, (-4, 4), bounds=bounds)
    short = best.rounded("bfloat16")
    certificate = certify(short, best.target, claims=[("range", *bounds)])
    assert certificate.status == "proved"
    assert float(certificate.upper) <= 1.5 * float(best.error)


def test_a_required_zero_stays_zero() -> None:
    short = fit("silu", (5, 4), (-8, 8), interpolate=(0,)).rounded("float32")
    assert short.polynomials[0](0) == 0


def test_formats_by_coefficient() -> None:
    best = fit("exp(x)", (3, 3), (-1, 1))
    formats = {"P": ["float64", "float32", "bfloat16", "bfloat16"], "Q": "float32"}
    short = quantize(best, formats, "monomial")  # type: ignore[arg-type]
    names = (*formats["P"], *["float32"] * 4)
    assert all(in_format(c, name) for c, name in zip(short.numerator + short.denominator, names, strict=True))
    assert short.format == "float64"
    mixed, coarse = (certify(each, best.target).upper for each in (short, quantize(best, "bfloat16", "monomial")))
    assert mixed is not None
    assert coarse is not None
    assert mixed < coarse


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ({"P": "float32"}, "keys 'P' and 'Q'"),
        ({"P": ["float32"], "Q": "float32"}, "P has 4 coefficients, and 1 formats"),
        ({"P": "float32", "Q": "int8"}, "must be one of"),
    ],
)
def test_formats_by_coefficient_that_make_no_sense(formats: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantize(fit("exp(x)", (3, 3), (-1, 1)), formats)  # type: ignore[arg-type]


def test_a_fixed_coefficient_must_be_in_its_format() -> None:
    best = fit("exp(x)", ([1, "1/3", None], 0), (-1, 1))
    with pytest.raises(ValueError, match="1/3 is no number of the format float32"):
        quantize(best, "float32")
    with pytest.raises(ValueError, match="powers of x are fixed"):
        quantize(best, "float32", "chebyshev")
