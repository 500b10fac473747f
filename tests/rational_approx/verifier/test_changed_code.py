"""Changed certificates of code: what the verifier accepts must be true. How near lines come to integers, counted."""

import copy
import random
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from rational_approx import implement
from rational_approx.kernels.nearest import first_between, least_shifted
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify
from rational_approx.verifier.nearest import below_line, nearest_shifted
from tests.adversaries import boxes
from tests.adversaries.kernels import FORMULAS, judged, worst_of

ONE = 1 << 60


@cache
def made(formula):
    return document(implement(formula, format="float32"))


@pytest.mark.parametrize(
    ("formula", "count"),
    [("x^3 - 2 * x", 12), *(pytest.param(each, 60, marks=pytest.mark.slow) for each in FORMULAS)],
)
def test_no_change_that_is_accepted_is_false(formula, count):
    content = made(formula)
    worst, _ = worst_of(content, 100)
    assert worst <= float(Fraction(content["facts"]["ulp"]))
    found = judged(content, random.Random(2), count, 100, 60)
    assert sum(found.counts.values()) >= count // 2
    assert found.false == []


def test_a_code_that_is_wrong_is_seen_by_the_judge():
    content = copy.deepcopy(made("x^3 - 2 * x"))
    step = next(step for step in content["pieces"][1]["steps"] if "2" in step)
    step[step.index("2")] = "0x1000001p-23"
    assert worst_of(content, 100)[0] > 2


def own_format(expression, pieces, facts):
    """A file of code that calculates in its own format: its hash is right."""
    content = copy.deepcopy(made("x^3 - 2 * x")) | {"inner": "float32", "functions": [], "cuts": ["0", "1"]}
    content["target"]["expression"] = expression
    content["pieces"] = [dict(zip(("upper", "steps", "result"), piece), about="") for piece in pieces]
    content["facts"] |= facts | {"ulp": "1"}
    content["wanted"] = "1"
    return content | {"hash": canonical_hash(content)}


@pytest.mark.parametrize(("far", "good"), [(str(Fraction(13176795, 2**22)), True), ("3", False)])
def test_a_constant_in_its_own_format_is_as_far_off_as_it_is(far, good):
    """Beside steps that nothing asks for, 3 was once verified as pi."""
    pieces = [("1", [], "1"), ("inf", [["mul", "x", "x"]], far)]
    content = own_format("where(x > 1, pi, 1)", pieces, {"lowest": "1", "highest": "4", "at": ["1", "1", "1", far]})
    assert (verify(content, 20).outcome == "verified") == good


@pytest.mark.parametrize(("expression", "good"), [("x^2", True), ("0 * x^2", False)])
def test_zero_times_what_is_too_large_is_no_number(expression, good):
    """Outputs that are none were once verified as 0."""
    steps, end = [["mul", "x", "x"], ["mul", "0", "v0"]][: 1 if good else 2], "inf" if good else "nan"
    facts = {"lowest": "0", "highest": "inf", "at": [end, "0", "0", end]}
    content = own_format(expression, [("inf", steps, f"v{len(steps) - 1}")], facts)
    assert (verify(content, 20).outcome == "verified") == good


def test_sums_of_floors_are_those_of_a_loop():
    draw = random.Random(0)
    for _ in range(500):
        count, modulus, a, b = draw.randrange(40), draw.randrange(1, 60), *(draw.randrange(-200, 200) for _ in "ab")
        assert below_line(count, modulus, a, b) == sum((a * m + b) // modulus for m in range(count))
        modulus, low = modulus + 1, draw.randrange(modulus + 1)
        high = draw.randrange(low, modulus)
        found = first_between(a % modulus, modulus, low, high)
        assert found == next((m for m in range(modulus) if low <= a * m % modulus <= high), None)


def test_no_number_is_nearer_to_a_zero_than_is_said():
    draw = random.Random(0)
    for _ in range(100):
        e, a, b = draw.randrange(-3, 3), draw.randrange(1, ONE), draw.randrange(1, ONE)
        but = draw.choice([None, Fraction(-1), Fraction(3, 2)])
        numbers = [Fraction(m) * Fraction(2) ** e for m in range(-31, 32) if m]
        turns = [2 * (Fraction(a, ONE) * x + Fraction(b, ONE)) for x in numbers if x != but]
        true = min(min(t % 1, -t % 1) for t in turns) / 2
        known = nearest_shifted((a, a), (b, b), 60, 5, e, but)
        ours = least_shifted((Fraction(a, ONE),) * 2, (Fraction(b, ONE),) * 2, e, 5, but)
        assert 0 < known <= true
        assert known == Fraction(1, 32) or true < 3 * known
        assert 0 < ours <= true
        assert ours == Fraction(1, 128) or true < 3 * ours


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="long doubles have no more digits than doubles here")
@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("exp(x)", 8),
        *(pytest.param(each, 60, marks=pytest.mark.slow) for each in ("log1p(x)", "tanh(x)", "sigmoid(x)")),
    ],
)
def test_on_no_box_less_is_taken_than_is_seen(expression, count):
    content = document(implement(expression, format="float64"))
    bounded, false = boxes.found(content, random.Random(3), count)
    assert bounded >= count // 4
    assert false == []


@pytest.mark.slow
@pytest.mark.parametrize("expression", ["exp(x)", "log1p(x)"])
def test_of_code_for_float64_no_claim_below_what_is_seen_is_accepted(expression):
    content = document(implement(expression, format="float64"))
    found = judged(content, random.Random(2), 40, 200, 60, sharp=True)
    assert sum(found.counts.values()) >= 20
    assert found.false == []
