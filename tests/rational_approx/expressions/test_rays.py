"""Half-lines: enclosures by powers of y hold at points far out, and growth times decay is proved and confirmed."""

from contextlib import suppress
from fractions import Fraction
from math import inf
from typing import Any

import mpmath
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import Target, fit
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.expressions.enclosures import Undecided
from rational_approx.expressions.expression import parse
from rational_approx.expressions.rays import beyond, too_large
from rational_approx.proof.prover import certify
from rational_approx.shipping.documents import document
from rational_approx.verifier import verify
from rational_approx.verifier.jets import Arithmetic
from rational_approx.verifier.rays import bounds, on, substituted
from rational_approx.verifier.reading import Failure, read


@pytest.mark.parametrize(
    ("text", "degree", "domain"),
    [
        ("x*exp(-x)", (3, 5), (0, inf)),
        ("x^2*exp(-x)", (3, 6), (0, inf)),
        ("exp(-x^2)", (2, 6), (-inf, inf)),
        ("x*exp(-x^2)", (3, 6), (-inf, inf)),
        ("silu", (4, 5), (-inf, 0)),
        ("gelu", (4, 6), (-inf, 1)),
        ("x*tanh(softplus(x))", (4, 5), (-inf, 1)),
        ("1/sqrt(1+x^2)", (2, 4), (-inf, 1)),
        ("1/cosh(x)", (2, 4), (-inf, inf)),
        ("exp(-x)*cos(x)", (3, 4), (0, inf)),
        ("x/(exp(x)-1)", (2, 3), (1, inf)),
        ("erfc(x)*x", (3, 5), (0, inf)),
        ("2^(-x)*x", (3, 4), (0, inf)),
    ],
)
def test_decay_on_a_half_line_is_proved_and_confirmed(text: str, degree: tuple[int, int], domain: Any) -> None:
    found = fit(text, degree, domain)
    certificate = certify(found)
    assert certificate.status == "proved"
    assert certificate.gap <= 1e-12
    assert 0 <= certificate.upper / certificate.best_lower - 1 < 1e-9  # the fit is the best
    outcome = verify(document(certificate))
    assert outcome.ok, outcome.failures
    with mpmath.workdps(40):
        x = [sign * mpmath.mpf(1.07) ** k for k in range(-60, 80) for sign in (1, -1)]
        inside = [t for t in x if domain[0] <= t <= domain[1]]
        errors = [abs(found.target.expression.mpf(t) - mpmath.mpf(found.rational(t))) for t in inside]
        assert max(errors) <= mpmath.mpf(certificate.upper.numerator) / certificate.upper.denominator


ATOMS = [
    "x",
    "1",
    "3/2",
    "-2",
    "exp(-x)",
    "exp(x/3)",
    "sqrt(1+x^2)",
    "log(1+x^2)",
    "tanh(x)",
    "sigmoid(-x)",
    "erfc(x/2)",
]
ATOMS += ["atan(1/x)", "softplus(-x)", "exp(-x^2/9)", "1/(1+x)", "(1 + erf(-x))", "max(x, 2)", "abs(3 - x)"]
ATOMS += ["log1p(exp(-x))", "expm1(-1/x)", "log1p(-1/x)", "expm1(exp(-x))", "log(x)", "x^x"]
ATOMS += ["exp(-x*log(x))", "exp(3/x)", "exp(exp(x/9))", "log(1 + exp(x/2))", "x^(1/x)"]
TREES = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.builds(lambda a, kind, b: f"({a} {kind} {b})", inner, st.sampled_from("+-**/"), inner),
    max_leaves=4,
)


@given(TREES, st.sampled_from(["1/10000", "4", "16", "100"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_values_far_out_lie_in_both_enclosures(text: str, start: str, left: bool) -> None:
    """Ball arithmetic, and the verifier's own: what they give on a half-line holds the value at each of its points."""
    try:
        formula = parse(text)
    except ValueError:  # a division by zero that is read at once
        return
    points = [Fraction(start) * factor for factor in (1, Fraction(5, 4), 3, 20, 10**6)]
    with working_bits(200):
        values = [formula.ball(arb(int(p.numerator)) / int(p.denominator) * (-1 if left else 1)) for p in points]
        values = [value for value in values if value.is_finite()]
        try:
            enclosed = beyond(formula.tree, to_arb(Fraction(start)) * (-1 if left else 1), -1 if left else 1)
            assert all(enclosed.overlaps(value) for value in values)
        except Undecided:
            pass
    math = Arithmetic(200, inf)
    try:
        tree = read(formula.text)
        low, high = bounds(math, substituted(tree, ("neg", ("x",))) if left else tree, math.exact(Fraction(start)))
    except Failure:
        return
    for value in values:
        assert low == -inf or not value < arb(low) / 2**200
        assert high == inf or not value > arb(high) / 2**200


@given(TREES, st.sampled_from(["1e-40", "0.01", "0.7", "3", "50"]), st.sampled_from(["1", "1.001", "1.5", "40"]))
@settings(max_examples=150, deadline=None)
def test_values_on_an_interval_lie_in_both_enclosures_which_may_be_infinite(text: str, start: str, factor: str) -> None:
    """What is called too large is, with its sign, and the verifier's bounds hold the values inside."""
    try:
        formula = parse(text)
    except ValueError:
        return
    ends = Fraction(start), Fraction(start) * Fraction(factor)
    math = Arithmetic(200, inf)
    with working_bits(200):
        low, high = (arb(end.numerator) / end.denominator for end in ends)
        values = [formula.ball(point) for point in (low, high, (2 * low + high) / 3)]
        sign = too_large(formula.tree, low.union(high), arb(2) ** 128)
        assert not any(sign and value.is_finite() and sign * value < arb(2) ** 128 for value in values)
        with suppress(Failure):
            bottom, top = on(math, read(formula.text), (math.exact(ends[0])[0], math.exact(ends[1])[1]))
            for value in values:
                if value.is_finite():
                    assert bottom == -inf or not value < arb(bottom) / 2**200
                    assert top == inf or not value > arb(top) / 2**200


@pytest.mark.parametrize(("text", "weight"), [("sin(x)", None), ("x*exp(-x)", "1 + x"), ("sqrt(x)", None)])
def test_what_does_not_settle_or_is_unbounded_is_undecided(text: str, weight: str | None) -> None:
    certificate = certify(fit("x*exp(-x)", (1, 2), (0, inf)).rational, Target(text, (0, inf), weight=weight))
    assert (certificate.status, certificate.upper) == ("undecided", None)
    assert certificate.reason


def test_exponents_far_out_are_too_large_for_fractions_and_not_needed() -> None:
    """The weight settles at 2^80 only, where exp(-x) is below 2^-2^80."""
    certificate = certify(fit("exp(-x)", (2, 3), (1, inf), weight="x/(1+x)"))
    assert certificate.status == "proved"
    assert verify(document(certificate)).ok
