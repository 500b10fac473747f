"""What the verifier knows of single functions, held to mpmath: roots, and the error function on half-lines."""

import copy
import random
from math import inf

import mpmath
import pytest

from rational_approx import implement
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import rays
from rational_approx.verifier import verify as check
from rational_approx.verifier.jets import Arithmetic
from rational_approx.verifier.reading import read

BITS = 128


def test_a_root_is_between_its_bounds_and_exact_for_a_square():
    math, draw = Arithmetic(BITS, inf), random.Random(1)
    numbers = [draw.getrandbits(draw.randint(1, 300)) for _ in range(300)] + [0, 1, 2, 1 << BITS, 9 << BITS]
    for a in numbers:
        low, high = math.sqrt(a)
        assert low * low <= a << BITS <= high * high
        assert high - low == (low * low != a << BITS)
    squares = [draw.getrandbits(90) ** 2 for _ in range(50)]
    assert all(math.sqrt(root << 20 << 44)[0] == math.sqrt(root << 20 << 44)[1] for root in squares)


DECAYING = {
    "erf(1 / x)": lambda x: mpmath.erf(1 / x),
    "erf(exp(-x))": lambda x: mpmath.erf(mpmath.exp(-x)),
    "-erf(softplus(-x))": lambda x: -mpmath.erf(mpmath.log1p(mpmath.exp(-x))),
    "x * erf(exp(-x))": lambda x: x * mpmath.erf(mpmath.exp(-x)),
    "erf(-1 / x^2)": lambda x: mpmath.erf(-1 / x**2),
    "erf(1 / x) * x": lambda x: mpmath.erf(1 / x) * x,
}


@pytest.mark.parametrize("formula", DECAYING)
def test_the_error_function_on_half_lines_is_between_its_bounds(formula):
    math, draw = Arithmetic(BITS, inf), random.Random(2)
    for start in (1, 3, 17, 100):
        low, high = rays.bounds(math, read(formula), math.exact(start))
        assert -inf < low
        assert high < inf
        for x in (start, *(start * (1 + draw.expovariate(1)) for _ in range(20)), start * 1e6):
            with mpmath.workdps(60):
                assert low <= DECAYING[formula](mpmath.mpf(x)) * 2**BITS <= high


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["asin(sqrt(x))", "acos(1 - x)", "x * erf(softplus(x))"])
def test_changed_certificates_of_what_is_newly_found_are_not_verified(formula):
    found = implement(formula, format="float32")
    whole, draw = document(found), random.Random(formula)
    assert check(copy.deepcopy(whole), seconds=120).outcome == "verified"

    def judged(content):
        return check(content | {"hash": canonical_hash(content)}, seconds=120).outcome

    for number in range(12):
        content = copy.deepcopy(whole)
        pieces = content["pieces"]
        piece = draw.choice([each for each in pieces if each["steps"]])
        step = draw.choice(piece["steps"])
        if number % 3 == 0:
            step[0] = {"mul": "add", "add": "sub", "sub": "add", "div": "mul"}.get(step[0], "mul")
        elif number % 3 == 1:
            place = next((k for k, part in enumerate(step) if k and part not in ("x",) and part[0] != "v"), None)
            if place is None:
                step[1] = "x" if step[1] != "x" else "2"
            else:
                step[place] = "0x1.8p-1" if step[place] != "0x1.8p-1" else "0x1p-2"
        else:
            content["facts"]["ulp"] = "501/1000"
        if content["pieces"] != whole["pieces"] or content["facts"] != whole["facts"]:
            assert judged(content) != "verified"
