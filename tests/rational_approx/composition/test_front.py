"""Compositions near sign and ReLU: beside published degrees, all degrees, mpmath, noise, and the verifier."""

import json
import re
from fractions import Fraction
from itertools import product
from math import log2

import flint
import mpmath
import numpy as np
import pytest

from rational_approx import Composite, DidNotConverge, composite_relu, composite_sign, load, save, verify
from rational_approx.arithmetic.precision import to_arb, working_bits
from rational_approx.composition import degrees as search
from rational_approx.composition.degrees import way
from rational_approx.composition.minimax import minimax
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as check
from tests.rational_approx.composition.published import DEGREES, LATTIGO


def _levels(degrees) -> int:
    return sum(d.bit_length() for d in degrees)


@pytest.fixture
def remembered(monkeypatch):
    """What a search has calculated helps the next one, for another depth."""
    known = {}

    def once(degree, gap):
        key = degree, gap.man_exp()
        if key not in known:
            known[key] = minimax(degree, gap)
        return known[key]

    monkeypatch.setattr(search, "minimax", once)


SLOW = [alpha if alpha < 8 else pytest.param(alpha, marks=pytest.mark.slow) for alpha in DEGREES]


@pytest.mark.parametrize("alpha", SLOW)
def test_depths_and_multiplications_are_the_published_ones(alpha, remembered):
    gap, error = Fraction(1, 2**alpha), Fraction(2, 2**alpha)
    for depth, products, degrees in DEGREES[alpha]:
        first = (depth, products, degrees) == DEGREES[alpha][0]
        found = composite_sign(gap, error=error, depth=None if first else depth)
        assert found.error <= error
        if (alpha, depth) == (18, 28):
            # Read off by linear interpolation: in truth the published degrees miss the error by half a percent.
            assert error < composite_sign(gap, degrees=degrees).error < error * Fraction(1006, 1000)
            assert (found.depth, found.multiplications) == (depth, products + 1)
            continue
        assert (found.depth, found.multiplications) == (depth, products)
        # Other degrees that cost the same have a smaller error.
        if found.degrees != degrees:
            assert found.error < composite_sign(gap, degrees=degrees).error


def test_no_other_degrees_have_a_smaller_error():
    gap, depth = Fraction(1, 20), 7
    chains = [
        c for n in (1, 2, 3) for c in product(range(3, 32, 2), repeat=n) if sum(d.bit_length() for d in c) <= depth
    ]
    with working_bits(400):
        errors = {c: float(way(c, to_arb(gap), flint.arb(0)).error) for c in chains}
    found = composite_sign(gap, depth=depth)
    assert float(found.error) == pytest.approx(min(errors.values()), rel=1e-6)
    assert found.degrees == min(errors, key=errors.__getitem__)


def test_no_other_degrees_have_fewer_multiplications():
    gap, error, depth = Fraction(1, 20), Fraction(1, 50), 8
    chains = [c for n in (1, 2, 3, 4) for c in product(range(3, 16, 2), repeat=n)]
    found = composite_sign(gap, error=error, depth=depth, highest=15)
    with working_bits(400):
        for chain in chains:
            cost = sum({3: 2, 5: 3, 7: 5, 9: 5, 11: 6, 13: 7, 15: 8}[d] for d in chain)
            if _levels(chain) <= depth and cost < found.multiplications:
                assert float(way(chain, to_arb(gap), flint.arb(0)).error) > error, chain
    assert found.error <= error


def test_the_composition_that_lattigo_ships():
    degrees, bits, first = LATTIGO
    found = composite_sign(Fraction(1, 2**30), degrees=degrees, noise=Fraction(1, 2**35))
    # Its noise is added before a value is scaled to 1, here afterwards.
    assert -log2(found.error) == pytest.approx(bits, abs=0.03)
    assert [float(c) for c in found.stages[0].coefficients[:2]] == pytest.approx(first, rel=1e-9)


FOUND = {
    "sign": lambda: composite_sign(Fraction(1, 2**6), depth=9),
    "noisy": lambda: composite_sign(Fraction(1, 2**6), degrees=(7, 7, 7), noise=1e-3),
    "bits": lambda: composite_sign(Fraction(1, 100), degrees=(7, 9, 15), bits=24),
    "relu": lambda: composite_relu(depth=9),
    "noisy relu": lambda: composite_relu(depth=9, noise=1e-4, decimals=9),
}


@pytest.fixture(scope="module", params=list(FOUND))
def found(request):
    return FOUND[request.param]()


def _values(found: Composite, x: mpmath.mpf, noises: list[float]) -> list[mpmath.mpf]:
    """All values from stage to stage, by the powers of x."""
    out = [x]
    for stage, noise in zip(found.stages, noises, strict=True):
        total = mpmath.mpf(0)
        for k, c in enumerate(stage.coefficients):
            total += mpmath.chebyt(2 * k + 1, out[-1]) * c.numerator / c.denominator
        out.append(total + noise)
    return out


def test_what_is_stated_holds_in_mpmath(found):
    rng = np.random.default_rng(3)
    gap, error, noise = float(found.gap), float(found.error), float(found.noise)
    points = [*(gap ** rng.uniform(0, 1, 60)), gap, 1.0, *(gap * np.linspace(0, 1, 40))]
    largest = 0.0
    with mpmath.workprec(200):
        for x in points:
            x = mpmath.mpf(x) * (1 if rng.random() < 0.5 else -1)
            # The worst noise of a stage is at one of its ends, as far as the stages rise.
            noises = list(noise * rng.choice([-1.0, 1.0], len(found.stages)))
            *inner, s = _values(found, x, noises)
            assert all(abs(value) <= 1 for value in inner)
            if found.function == "relu":
                largest = max(largest, abs(x * (1 + s) / 2 - max(x, 0)))
            elif abs(x) >= gap:
                largest = max(largest, abs(s - mpmath.sign(x)))
            else:
                assert abs(s) <= 1 + error
    assert error * (0.5 if noise else 0.7) < largest <= error * (1 + 1e-12)


def test_the_error_is_reached():
    # At the peaks of the first stage the next one begins where its error is largest.
    found = composite_sign(Fraction(1, 2**6), depth=9)
    with mpmath.workprec(200):
        s = _values(found, mpmath.mpf(1) / 64, [0.0] * len(found.stages))[-1]
    assert abs(float(1 - s)) == pytest.approx(float(found.error), rel=1e-6)


def test_the_error_of_relu_is_nearly_reached():
    found = composite_relu(depth=9)
    x = np.linspace(-1, 1, 200_001)
    largest = np.abs(found(x) - np.maximum(x, 0)).max()
    assert 0.98 * float(found.error) < largest <= float(found.error) + 1e-14
    # A wider gap, and a narrower one, are worse.
    for factor in (Fraction(1, 2), 2):
        s = composite_sign(found.gap * factor, depth=8)
        assert np.abs(x * (1 + s(x)) / 2 - np.maximum(x, 0)).max() > largest


def test_one_level_more_and_a_smaller_error():
    found = composite_relu(error=0.002)
    assert found.error <= 0.002
    assert composite_relu(depth=found.depth - 1).error > 0.002
    assert found.depth == _levels(found.degrees) + 1


def test_files_and_the_verifier(found, tmp_path):
    path = save(found, tmp_path / "composite.json")
    assert load(path) == found
    outcome = verify(path)
    assert outcome.ok, outcome
    assert len(outcome.statements) == 2 * len(found.stages) + 3


def _first(change, of: str):
    def changed(content):
        content["stages"][0][of] = change(content["stages"][0][of])

    return changed


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda d: d.update(error="1/1000"), "refuted"),
        (lambda d: d.update(gap="1/65"), "refuted"),
        (lambda d: d.update(noise="1/100"), "refuted"),
        (lambda d: d.update(unit="1/100"), "refuted"),
        (lambda d: d.update(more="1"), "refuted"),
        (_first(lambda c: [c[1], c[0], *c[2:]], "coefficients"), "refuted"),
        (_first(lambda c: ["2", *c[1:]], "coefficients"), "refuted"),
        (_first(lambda low: "1/2", "low"), "refuted"),
        (_first(lambda high: "2", "high"), "refuted"),
        (_first(lambda lower: "1/32", "lower"), "refuted"),
        (_first(lambda cuts: [], "cuts"), "verified"),  # they only help
    ],
)
def test_a_changed_file_is_found_out(change, outcome):
    content = document(composite_sign(Fraction(1, 2**6), depth=6, decimals=8))
    change(content)
    assert check(content).outcome == "refuted"
    content["hash"] = canonical_hash(content)
    assert check(content, 20).outcome == outcome


def test_a_smaller_error_of_relu_is_refuted():
    content = json.loads(json.dumps(document(composite_relu(depth=7))))
    smaller = Fraction(9, 10) * composite_relu(depth=7).error
    content["error"] = f"{smaller.numerator}/{smaller.denominator}"
    content["hash"] = canonical_hash(content)
    assert check(content).outcome == "refuted"


def test_coefficients_are_short_and_the_same_in_both_bases():
    found = composite_sign(Fraction(1, 100), degrees=(7, 15), decimals=7)
    plain = composite_sign(Fraction(1, 100), degrees=(7, 15))
    assert plain.error <= found.error < plain.error * (1 + 1e-4)
    for powers, chebyshev in zip(found.coefficients("powers"), found.coefficients()):
        assert all((c * 10**7).denominator == 1 for c in (*powers, *chebyshev))
        x = np.linspace(-1, 1, 101)
        p = np.polynomial.Polynomial([float(c) for c in powers])(x)
        assert p == pytest.approx(np.polynomial.Chebyshev([float(c) for c in chebyshev])(x), abs=1e-9)


def test_values_in_floats():
    found = composite_sign(Fraction(1, 16), depth=6)
    assert isinstance(found(0.5), float)
    assert found(np.array([[0.5, -0.5]])).shape == (1, 2)
    assert found(0.5) == -found(-0.5)
    relu = composite_relu(depth=6)
    assert relu(0.0) == 0.0
    assert abs(relu(0.75) - 0.75) <= relu.error


def test_an_error_below_the_floats():
    found = composite_sign(Fraction(1, 2), degrees=(31, 31))
    assert 0 < found.error < Fraction(1, 10**130)
    assert verify(found).ok
    # Nothing is gained by more levels.
    assert composite_sign(Fraction(1, 2), depth=30).error < Fraction(1, 10**80)
    with pytest.raises(DidNotConverge, match="leave it out"):
        composite_sign(Fraction(1, 2), degrees=(31, 31, 31))
    assert re.search("error <= [1-9][.0-9]+e-132, proved", str(found))


def test_more_noise_is_a_larger_error():
    errors = [composite_sign(Fraction(1, 64), degrees=(7, 7, 7), noise=noise).error for noise in (0, 1e-6, 1e-4, 1e-3)]
    assert errors == sorted(errors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gap": 0, "depth": 5}, "gap must be a number above 0"),
        ({"gap": 1.5, "depth": 5}, "gap must be a number above 0"),
        ({"gap": "wide", "depth": 5}, "gap must be a number above 0"),
        ({"gap": 0.1}, "give a depth="),
        ({"gap": 0.1, "depth": 1}, "depth must be an integer from 2"),
        ({"gap": 0.1, "depth": True}, "depth must be an integer"),
        ({"gap": 0.1, "depth": 5, "degrees": (7,)}, "give degrees= alone"),
        ({"gap": 0.1, "degrees": (8,)}, "odd numbers"),
        ({"gap": 0.1, "degrees": ()}, "odd numbers"),
        ({"gap": 0.1, "degrees": (7.0,)}, "must be an integer"),
        ({"gap": 0.1, "depth": 5, "highest": 200}, "highest must be an integer from 3 to 127"),
        ({"gap": 0.1, "depth": 5, "decimals": 5, "bits": 5}, "decimals= or bits="),
        ({"gap": 0.1, "error": 1e-3, "noise": 1e-2}, "includes the noise"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        composite_sign(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({}, "give a depth="), ({"depth": 2}, "at least 3"), ({"depth": 9, "error": 0.1}, "not both")],
)
def test_refused_of_relu(arguments, message):
    with pytest.raises(ValueError, match=message):
        composite_relu(**arguments)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"gap": 2**-12, "depth": 6, "error": 1e-3}, "tolerance"),
        ({"gap": 2**-12, "depth": 16, "error": 2**-10, "decimals": 3}, "digits"),
        ({"gap": 2**-12, "depth": 12, "noise": 2**-6}, "tolerance"),
        ({"gap": 2**-12, "degrees": (3, 3), "noise": 2**-6}, "tolerance"),
        ({"gap": 2**-12, "error": 1e-3, "time_limit": 1e-3}, "time"),
    ],
)
def test_out_of_reach(arguments, cause):
    with pytest.raises(DidNotConverge) as caught:
        composite_sign(**arguments)
    assert caught.value.cause == cause
