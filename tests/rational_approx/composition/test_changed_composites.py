"""Changed files of compositions: what the verifier accepts must be true, at many numbers, with any noise."""

import copy
import random
from fractions import Fraction
from itertools import pairwise

import mpmath
import pytest

from rational_approx import composite_relu, composite_sign
from rational_approx.shipping.documents import canonical_hash, document, read_number
from rational_approx.verifier import verify


def number(text):
    value = read_number(text)
    return mpmath.mpf(value.numerator) / value.denominator


def p_of(stage, x):
    """A stage at a number, by the recurrence of Chebyshev polynomials."""
    before, at, total = mpmath.mpf(1), x, mpmath.mpf(0)
    for c in stage["coefficients"]:
        total += number(c) * at
        for _ in range(2):
            before, at = at, 2 * x * at - before
    return total


def changed(content, draw):
    """A file with one or two of its numbers changed: a little, by much, or for another one."""
    content = copy.deepcopy(content)
    for _ in range(draw.choice((1, 1, 1, 2))):
        stage = draw.choice(content["stages"])
        where = draw.choice(
            ("coefficient", "coefficient", "lower", "low", "high", "gap", "noise", "unit", "error", "order")
        )
        factor = 1 + draw.choice((-1, 1)) * Fraction(1, 2 ** draw.randrange(1, 40))

        def other(text, factor=factor):
            value = read_number(text) * draw.choice((factor, factor, factor, -1, 0, Fraction(1, 2)))
            return f"{value.numerator}/{value.denominator}"

        if where == "coefficient":
            at = draw.randrange(len(stage["coefficients"]))
            stage["coefficients"][at] = other(stage["coefficients"][at])
        elif where == "order":
            one, two = (draw.randrange(len(content["stages"])) for _ in range(2))
            content["stages"][one], content["stages"][two] = content["stages"][two], content["stages"][one]
        elif where in stage:
            stage[where] = other(stage[where])
        elif where == "noise" and draw.random() < 0.5:
            content["noise"] = f"1/{2 ** draw.randrange(4, 40)}"
        else:
            content[where] = other(content[where])
        if draw.random() < 0.3:
            content["unit"] = f"1/{10**60}"
    return content | {"hash": canonical_hash(content)}


def is_true(content, draw):
    """Whether nothing is seen against a file's statements."""
    gap, noise, error, unit = (number(content[name]) for name in ("gap", "noise", "error", "unit"))
    room, worst = mpmath.mpf(2) ** -180, mpmath.mpf(0)
    for stage in content["stages"]:
        low, high, lower = (number(stage[name]) for name in ("low", "high", "lower"))
        inside = [lower, mpmath.mpf(1), *(lower + (1 - lower) * draw.random() ** 3 for _ in range(60))]
        if not all(low - room <= p_of(stage, x) <= high + room for x in inside):
            return False
        rising = [p_of(stage, lower * k / 40) for k in range(-40, 41)]
        if not all(a < b for a, b in pairwise(rising)):
            return False
        if any(read_number(c) % read_number(content["unit"]) for c in stage["coefficients"]):
            return False
    relu = content["function"] == "relu"
    points = [gap, mpmath.mpf(1), *(gap ** mpmath.mpf(draw.random()) for _ in range(40))]
    points += [gap * draw.random() for _ in range(40)] if relu else []
    for x in [sign * x for x in points for sign in (1, -1)]:
        at = x
        push = draw.choice((-1, 1, 0, None))
        for stage in content["stages"]:
            if abs(at) > 1 + room:
                return False
            at = p_of(stage, at) + noise * (draw.uniform(-1, 1) if push is None else push)
        off = abs(x * (1 + at) / 2 - max(x, 0)) if relu else abs(at - mpmath.sign(x))
        worst = max(worst, off)
    return worst <= error + room and unit > 0


@pytest.mark.parametrize(
    ("kind", "count", "seconds"),
    [("sign", 40, 2), *(pytest.param(kind, 400, 10, marks=pytest.mark.slow) for kind in ("sign", "relu", "noise"))],
)
def test_a_changed_file_is_verified_only_where_it_is_true(kind, count, seconds):
    draw = random.Random(11)
    made = composite_relu(depth=7) if kind == "relu" else composite_sign(Fraction(1, 2**6), depth=6)
    if kind == "noise":
        made = composite_sign(Fraction(1, 2**6), depth=9, noise=Fraction(1, 2**20))
    content = document(made)
    with mpmath.workprec(200):
        assert is_true(content, draw)
        outcomes = []
        for _ in range(count):
            other = changed(content, draw)
            outcomes.append(verify(other, seconds).outcome)
            assert outcomes[-1] != "verified" or is_true(other, draw), other
    assert outcomes.count("refuted") > count / 3
    assert outcomes.count("verified") >= count / 40
