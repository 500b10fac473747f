"""What is counted at every number of float32, on parts of the numbers: held to mpmath, and to false certificates."""

import json
import shutil
from dataclasses import replace
from functools import cache

import mpmath
import numpy as np
import pytest

import rational_approx
from rational_approx import Contradiction, export, implement, try_every, verify
from rational_approx.expressions.expression import parse
from rational_approx.kernels import counted
from rational_approx.kernels.reference import reference_for
from rational_approx.shipping import every_input
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.verifier import verify as check
from tests.rational_approx.command_line import run, sentence

EXACT = {"exp": mpmath.exp, "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2}
PLACES = {"exp": (counted.BESIDE + 0x3F000000, counted.BESIDE + 0x3F000000 + 400), "gelu": (0x3F000000, 0x3F000400)}


@cache
def kernel(name):
    return implement(name, format="float32")


@pytest.fixture(scope="module", params=["exp", pytest.param("gelu", marks=pytest.mark.slow)])
def made(request):
    found = kernel(request.param)
    return found, reference_for(parse(found.expression), "float32")


def summed(x, y, reference):
    sums = counted._Sums()
    sums.add(x, y, reference.kernel(x), float(reference.within) + counted.ROUNDING, 0)
    return sums


def test_the_second_code_is_as_near_as_it_is_said_to_be(made):
    found, reference = made
    x = np.random.default_rng(1).normal(0, 2, 300).astype(np.float32)
    with mpmath.workprec(200):
        for point, r in zip(x.tolist(), reference.kernel(x).tolist()):
            true = EXACT[found.name](mpmath.mpf(point))
            unit = mpmath.mpf(2) ** max(mpmath.frexp(true)[1] - 24, -149)
            assert float(abs(mpmath.mpf(r) - true) / unit) <= float(reference.within) < 1e-4


def test_the_counts_are_those_of_mpmath(made):
    found, reference = made
    x = counted.numbers(*PLACES[found.name])
    y = found.kernel(x)
    y[::3] = np.nextafter(y[::3], np.float32(np.inf))  # not all are right
    y[100::200], y[101::200] = y[101::200].copy(), y[100::200].copy()  # nor in order
    got = summed(x, y, reference).done(parse(found.expression))
    correct = faithful = turns = 0
    with mpmath.workprec(200):
        true = [EXACT[found.name](mpmath.mpf(point)) for point in x.tolist()]
        for value, near in zip(true, y.tolist()):
            ends = [mpmath.mpf(float(np.nextafter(np.float32(near), np.float32(end)))) for end in (-np.inf, np.inf)]
            correct += (ends[0] + near) / 2 < value < (near + ends[1]) / 2
            faithful += ends[0] < value < ends[1]
        for k in range(1, x.size):
            turns += y[k] > y[k - 1] and not true[k] > true[k - 1]
            turns += y[k] < y[k - 1] and not true[k] < true[k - 1]
    assert (got.inputs, got.correct, got.faithful, got.turns) == (x.size, correct, faithful, turns)
    assert 0 < got.turns < x.size
    assert 0 < got.correct < got.faithful
    assert (got.lowest, got.highest, got.open) == (y.min(), y.max(), 0)


def test_numbers_are_all_numbers_in_order():
    ends = counted.numbers(0, 3), counted.numbers(counted.TOTAL - 3, counted.TOTAL)
    assert ends[0][0] == -np.finfo(np.float32).max == -ends[1][-1]
    middle = counted.numbers(counted.BESIDE - 2, counted.BESIDE + 2)
    assert middle.tolist() == [-(2.0**-149), -0.0, 0.0, 2.0**-149]
    assert np.signbit(middle).tolist() == [True, True, False, False]


def test_ties_near_zero_are_decided_together():
    """gelu(x) is x/2 and a little more: above the middle of two subnormal numbers for every odd x."""
    known = parse("x / 2 * (1 + erf(x / sqrt(2)))")
    x = counted.numbers(counted.BESIDE + 1, counted.BESIDE + 4001)
    places = np.arange(1, 4001)
    for y, share in (((places + 1) // 2, 1.0), (places // 2, 0.5)):
        sums = counted._Sums()
        half = x.astype(np.float64) / 2
        sums.add(x, (y * 2.0**-149).astype(np.float32), half, 1e-5, 0)
        assert sums.kept == 2000
        assert sums.done(known).correct == 4000 * share


@pytest.fixture
def few(monkeypatch):
    """The numbers are those from -2 to 2 that are large enough for a test: every number of a shorter list."""
    ends = counted.BESIDE + 0x3F000000, counted.BESIDE + 0x3F000000 + (1 << 14)
    whole = counted.numbers
    monkeypatch.setattr(counted, "numbers", lambda start, stop: whole(ends[0] + start, ends[0] + stop))
    monkeypatch.setattr(counted.counted, "__defaults__", (1 << 14,))


@pytest.mark.parametrize(
    "compiler", [pytest.param("numpy", marks=pytest.mark.slow), *filter(shutil.which, every_input.COMPILERS)]
)
def test_compilers_and_numpy_count_the_same(few, compiler, tmp_path):
    found = kernel("exp")
    tried = try_every(found, compiler=compiler)
    outputs = (found.kernel, tried.reference.kernel)
    first = counted.counted(found, tried.reference, lambda x: (outputs[0](x), outputs[1](x)))
    assert tried.counts == first
    assert tried.counts.inputs == 1 << 14
    assert tried.counts.turns == tried.counts.open == 0
    assert 0.9 < tried.counts.correct / tried.counts.inputs < 1
    assert tried.counts.ulp <= found.facts.ulp
    assert ("NumPy" if compiler == "numpy" else compiler) in tried.by
    again = rational_approx.load(rational_approx.save(tried, tmp_path / "exp.json"))
    assert again == tried
    assert verify(tried, seconds=100).outcome == "verified"
    outcome = verify(tmp_path / "exp.json", seconds=100, every_input=True)
    assert outcome.outcome == "verified"
    assert outcome.statements[-1].text.startswith("the counts are")
    wrong = replace(tried, counts=replace(tried.counts, correct=tried.counts.correct + 1))
    assert verify(wrong, seconds=100).outcome == "verified"
    assert verify(wrong, seconds=100, every_input=True).outcome == "refuted"
    code = export(tried, "c")
    assert f"run at every number by {tried.by}" in code
    assert document(tried)["hash"] in code
    assert "--every-input" in code


def test_a_compiler_that_gives_something_else_is_found_out(few, made):
    found = made[0]
    reference = made[1]
    with pytest.raises(Contradiction, match="do not use this compiler"):
        counted.counted(found, reference, lambda x: (found.kernel(x) * np.float32(1.000001), reference.kernel(x)))


CHANGES = {
    "share": lambda content: content["reference"].update(within="1/100000000"),
    "constant": lambda content: content["reference"]["functions"][0]["steps"][7].__setitem__(1, "0"),
    "end": lambda content: content["reference"]["pieces"][0].update(upper="-5"),
    "too many": lambda content: content["counts"].update(correct=content["counts"]["faithful"] + 1),
    "too large": lambda content: content["counts"].update(ulp="2"),
    "range": lambda content: content["counts"].update(lowest="-inf"),
    "code": lambda content: content["implementation"]["facts"].update(ulp="51/100"),
}


@pytest.fixture(scope="module")
def text(made):
    found, reference = made
    ends = found.facts.lowest, found.facts.highest
    counts = counted.Counts(4278190080, found.facts.ulp, 1.0, 4 * 10**9, 4278190080, 0, *ends, 100, 0)
    content = document(counted.Counted(found, reference, counts, "a test"))
    assert check(content, 100).outcome == "verified"
    return json.dumps(content)


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_file_that_says_something_false_is_not_verified(text, change):
    content = json.loads(text)
    change(content)
    for part in (content["implementation"], content):
        part["hash"] = canonical_hash(part)
    assert check(content, 100).outcome in ("refuted", "not decided")


def test_questions_without_sense_are_refused():
    with pytest.raises(ValueError, match="was tried when"):
        try_every(implement("relu"))
    with pytest.raises(ValueError, match="no compiler"):
        try_every(kernel("relu"), compiler="no-such-compiler")
    with pytest.raises(TimeoutError, match="time_limit"):
        try_every(kernel("relu"), time_limit=0.01, compiler="numpy")
    assert "for float32" in sentence(run("implement", "relu", "--every-input"))
