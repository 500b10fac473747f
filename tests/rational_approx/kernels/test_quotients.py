"""Sigmoid, silu and softplus in their own format: changed code is not proved, or what is proved of it holds."""

import random
from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np
import pytest

from rational_approx.kernels.kernel import Function, Kernel, Piece
from rational_approx.kernels.quotients import QUOTIENTS, quotient_domain, quotient_error, quotient_function
from rational_approx.programs.program import INPUT, Constant, Input, Result, Step
from rational_approx.verifier.quotients import quotient_errors
from rational_approx.verifier.reading import Failure

TRUTH = {
    "sigmoid": lambda x: np.exp(x) / (1 + np.exp(x)),
    "silu": lambda x: x * np.exp(x) / (1 + np.exp(x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
"""In float64, for negative numbers of float32."""


def operand(which):
    return float(which.value) if isinstance(which, Constant) else "x" if isinstance(which, Input) else which.step


def stated(function, inner, by):
    """What one of both proofs states of a function's errors; None where it refuses the function."""
    try:
        if by == "package":
            return quotient_error(function, inner)
        steps = [(op, [operand(name) for name in names]) for op, names in function.steps]
        return quotient_errors(function.name, steps, operand(function.result), inner)
    except (ArithmeticError, Failure):
        return None


def constant(function: Function, rng: random.Random) -> Function:
    """One constant moved: by an ulp, by a little, by its sign, or to another number."""
    steps = list(function.steps)
    places = [
        (k, j) for k, (_, names) in enumerate(steps) for j, name in enumerate(names) if isinstance(name, Constant)
    ]
    k, j = rng.choice(places)
    value = float(steps[k].operands[j].value)
    moved = rng.choice(
        [
            np.nextafter(np.float32(value), np.float32(rng.choice([-inf, inf]))),
            np.float32(value * (1 + rng.choice([-1, 1]) * 2.0 ** -rng.randrange(1, 22))),
            np.float32(-value),
            np.float32(rng.choice([0.0, 1.0, 2.0, 0.5, 1e-30])),
        ]
    )
    names = list(steps[k].operands)
    names[j] = Constant(Fraction(float(moved)))
    steps[k] = Step(steps[k].op, tuple(names))
    return replace(function, steps=tuple(steps))


def operation(function: Function, rng: random.Random) -> Function:
    """Another operation in the place of one."""
    steps = list(function.steps)
    k = rng.randrange(len(steps))
    steps[k] = Step(rng.choice(["add", "sub", "mul", "div", "scale"]), steps[k].operands)
    return replace(function, steps=tuple(steps))


def wire(function: Function, rng: random.Random) -> Function:
    """Another operand in the place of one, or two in the other order."""
    steps = list(function.steps)
    k = rng.randrange(1, len(steps))
    names = list(steps[k].operands)
    if rng.random() < 0.3:
        names.reverse()
    else:
        names[rng.randrange(2)] = rng.choice([INPUT, Result(rng.randrange(k)), Constant(Fraction(rng.randrange(k)))])
    steps[k] = Step(steps[k].op, tuple(names))
    return replace(function, steps=tuple(steps))


def end(function: Function, rng: random.Random) -> Function:
    """Another result."""
    return replace(function, result=Result(rng.randrange(len(function.steps))))


def holds(function, errors, count=50_000):
    """Whether the errors are within what is stated, at random numbers of float32 and those next to where n turns."""
    low, high = (float(x) for x in quotient_domain(function.name, "float32"))
    rng = np.random.default_rng(3)
    turns = (np.arange(int(low / np.log(2)), 0) + 0.5) * np.log(2)
    near = (turns[:, None] * (1 + np.arange(-8, 9) * 2.0**-24)).ravel()
    wide, narrow = rng.uniform(low, min(high, 0), count), rng.uniform(max(low, -6), min(high, 0), count)
    x = np.concatenate([wide, narrow, near]).astype("float32")
    x = x[(x > low) & (x < high)]
    piece = Piece(inf, (Step(function.name, (INPUT,)),), Result(0), "")
    y = Kernel("float32", "float32", (piece,), (function,))(x).astype(float)
    true = TRUTH[function.name](x.astype(float))
    normal = abs(true) > 2.0**-124
    unit = 2.0 ** (np.frexp(true)[1] - 24)
    ulp, share = (abs(y - true) / unit)[normal], (abs(y - true) / abs(true))[normal]
    return ulp.max() <= float(errors[0]) + 0.5 + 1e-6 and share.max() <= float(errors[2]) * (1 + 1e-6)


@pytest.mark.parametrize("kind", QUOTIENTS)
def test_what_is_stated_of_the_functions_holds(kind):
    function = quotient_function(kind, "float32")
    own, other = (stated(function, "float32", by) for by in ("package", "verifier"))
    assert holds(function, own)
    assert holds(function, other)
    for one, again in zip(own, other):
        assert one * Fraction(3, 4) <= again <= one
    assert own[0] < Fraction(2, 5)


@pytest.mark.parametrize(
    ("kind", "times"), [("silu", 1), *(pytest.param(kind, 10, marks=pytest.mark.slow) for kind in QUOTIENTS)]
)
@pytest.mark.parametrize("by", ["package", "verifier"])
def test_of_changed_code_nothing_false_is_stated(kind, times, by):
    rng, function, accepted = random.Random(7), quotient_function(kind, "float32"), 0
    for change, count in ((constant, 16), (operation, 12), (wire, 12), (end, 4)):
        for _ in range(count * times):
            other = change(function, rng)
            errors = None if other == function else stated(other, "float32", by)
            if errors is not None:
                accepted += 1
                assert holds(other, errors, 20_000), (change.__name__, other.steps)
    assert 0 < accepted <= 16 * times  # coefficients of a polynomial may be other ones


@pytest.mark.parametrize("by", ["package", "verifier"])
@pytest.mark.parametrize("kind", ["sigmoid", "silu"])
def test_what_is_too_large_to_be_rounded_to_few_digits_is_seen(kind, by):
    """With so large a second part of log(2) errors of 95 times the value were stated, and some of 10^6 times seen."""
    function = quotient_function(kind, "float64")
    k = next(k for k, (op, names) in enumerate(function.steps) if op == "mul" and 0 < abs(operand(names[1])) < 2.0**-20)
    for power in (0, 6):
        steps = list(function.steps)
        steps[k] = Step("mul", (steps[k].operands[0], Constant(Fraction(1, 2**power))))
        assert stated(replace(function, steps=tuple(steps)), "float64", by) is None
