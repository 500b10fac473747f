"""Taylor models of the error hold the error and its derivatives."""

import random
from fractions import Fraction
from math import factorial

import flint
from hypothesis import given, settings
from hypothesis import strategies as st

from rational_approx import Rational, Target
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.expressions.expression import parse
from rational_approx.proof.error_models import ErrorCurve
from rational_approx.proof.prover import certify
from rational_approx.shipping.storage import verify
from tests.rational_approx.powers import powers


def test_a_box_around_a_near_pole_has_no_taylor_model() -> None:
    """A denominator of degree below the model's order, enclosed around zero, once left a remainder of zero."""
    rng = random.Random(3)
    for _ in range(30):
        at, width = Fraction(rng.randrange(-90, 90), 100), Fraction(1, rng.choice([10, 100, 1000, 10**5]))
        bottom = [at * at + width * width, -2 * at, 1]
        r = powers([rng.randrange(-9, 9), rng.randrange(-9, 9), 1], bottom)
        certificate = certify(r, Target("max(x, 0)", (-1, 1)))
        assert certificate.status == "proved"

        def error(x: Fraction, r: Rational = r) -> Fraction:
            top, bottom = (sum(c * x**k for k, c in enumerate(side)) for side in (r.numerator, r.denominator))
            return abs(max(x, Fraction(0)) - top / bottom)

        near = [at + width * k / 16 for k in range(-64, 65)]
        assert max(error(x) for x in near if -1 <= x <= 1) <= certificate.upper
        assert verify(certificate).ok


@given(st.fractions(-1, 1), st.fractions(Fraction(1, 50), Fraction(1, 4)), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_taylor_models_bound_the_error_and_its_derivatives(at: Fraction, half: Fraction, case: int) -> None:
    weight, bottom = [("1", [2, 1]), ("1 + x^2", [1, 0, 1]), ("exp(x)", [3, 1, 2]), ("1", [1, "1/3", 5, 0, 7])][case]
    top, bottom = (
        flint.fmpq_poly([1, 2, 0, 1]),
        flint.fmpq_poly([flint.fmpq(*Fraction(c).as_integer_ratio()) for c in bottom]),
    )
    curve = ErrorCurve(parse("exp(sin(x))"), parse(weight), top, bottom, flint.arb(-2), flint.arb(2))
    lower, upper = to_arb(at - half).mid(), to_arb(at + half).mid()
    with working_bits(200):
        jet = curve.jet(lower, upper)
        for k in range(9):
            x = (lower + (upper - lower) * k / 8).mid()
            true = curve.at(x, 4)
            model, t = jet, x - ((lower + upper) / 2).mid()
            for order in range(4):
                derivative = true[order] * factorial(order)
                n = len(model.coefficients)
                value = flint.arb_poly(model.coefficients)(t) + t**n * model.rest[0]
                assert value.overlaps(derivative)
                assert not abs(derivative) > model.bound()
                model = model.derivative() if order < 3 else model
