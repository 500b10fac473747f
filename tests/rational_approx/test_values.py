"""Values pickle and copy after any call, and are the same value afterwards."""

import contextlib
import copy
import dataclasses
import inspect
import math
import os
import pickle
import subprocess
import sys
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rational_approx import Certificate, DidNotConverge, Domain, Fit, Rational, Saturated, Target, certify, fit
from rational_approx.rationals.antiderivative import Antiderivative

X = np.linspace(0, 1, 9)
ARGUMENTS = {
    "__call__": [(0.25,), (np.array([0.25, 0.5]),), (mpmath.mpf("0.3"),)],
    "error_at": [(X,)],
    "rounded": [("float32",)],
    "composed": [(2, 1)],
    "parts": [(flint.arb(0.25),)],
    "of": [((0, 1),)],
    "split": [((),)],
    "shifted": [(Fraction(1, 3),)],
}
"""Arguments of the methods that need one."""
WAYS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
FITS = [
    lambda: fit("gelu", (3, 2), (-1, 2)),
    lambda: fit("exp(x)", (2, 2), (-1, 1), digits=30, weight="relative"),
    lambda: fit("exp(-x)", (2, 2), (0, math.inf)),
    lambda: fit("tan(x)", (1, 1), [(0, 1.5), (1.65, 3)], denominator="any"),
    lambda: fit("sigmoid(x)", (3, 2), (-4, 4), bounds=(0, 1), interpolate={0: 0.5}),
    lambda: fit((X, np.sqrt(X)), (2, 1)),
    lambda: fit(math.exp, (2, 1), (0, 1), weight="relative"),
    lambda: fit(airy, (2, 1), (0, 1)),
]


def airy(x):
    return mpmath.airyai(x)  # mpmath's own functions are methods of its context, which does not pickle


DONE = {}


def once(make, key=None):
    """What a function makes, made at its first call."""
    key = key or make
    if key not in DONE:
        DONE[key] = make()
    return DONE[key]


def calls(value):
    """Every public method and property of a value, and every call of it, as functions without arguments."""
    names = [name for name in dir(type(value)) if not name.startswith("_")] + ["__repr__", "__str__", "_repr_html_"]
    if callable(value):
        names.append("__call__")
    for name in names:
        if not callable(getattr(type(value), name, None)):
            yield lambda name=name: getattr(value, name, None)
            continue
        for arguments in ARGUMENTS.get(name, [()]):
            inspect.signature(getattr(value, name)).bind(*arguments)  # a new method that needs some is told so here
            yield lambda name=name, arguments=arguments: getattr(value, name)(*arguments)


def held(value):
    """A value and the values that its fields hold."""
    yield value
    for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
        inner = getattr(value, field.name)
        if isinstance(inner, Fit | Rational | Target | Domain | Certificate):
            yield from held(inner)
    if isinstance(value, Rational):
        yield value.antiderivative()
        if value.domain.bounded and len(value.domain.intervals) == 1:
            yield value.saturated()


def content(value):
    """What tells values apart: the fields; of a target, which has none, its name and its values."""
    if isinstance(value, Target):
        values = [piece.function(np.array([0.25, 0.5])).tolist() for piece in value.pieces]
        weights = [piece.weight(np.array([0.25, 0.5])).tolist() for piece in value.pieces]
        return value.name, value.domain, value.breakpoints, values, weights
    return {field.name: inner(getattr(value, field.name)) for field in dataclasses.fields(value)}


def inner(value):
    if isinstance(value, Target):
        return content(value)
    return inner(list(value)) if isinstance(value, tuple) else value


class Used(RuleBasedStateMachine):
    """A fit or its certificate: called in any order, pickled and copied in between."""

    @initialize(made=st.sampled_from(FITS), proved=st.booleans())
    def make(self, made, proved):
        found = copy.copy(once(made))  # without what an earlier example has cached
        self.value = once(lambda: certify(found), (made, proved)) if proved else found
        self.first = content(self.value)

    @rule(data=st.data())
    def call(self, data):
        value = data.draw(st.sampled_from(list(held(self.value))))
        with contextlib.suppress(ValueError):  # what this one does not have, such as a Chebyshev form on a half-line
            data.draw(st.sampled_from(list(calls(value))))()

    @rule(way=st.sampled_from(list(WAYS)))
    def duplicate(self, way):
        self.value = WAYS[way](self.value)

    @invariant()
    def stays_what_it_is(self):
        if hasattr(self, "value"):
            assert content(WAYS["pickle"](self.value)) == self.first


TestUsed = Used.TestCase
TestUsed.settings = settings(max_examples=10, stateful_step_count=8, deadline=None)


@pytest.mark.parametrize("made", FITS[:3])
def test_everything_copies_after_every_call(made):
    found = once(made)
    for value in [*held(copy.copy(found)), *held(once(lambda: certify(found), (made, True)))]:
        for call in calls(value):
            try:
                call()
            except ValueError:
                continue
        for way in WAYS.values():
            again = way(value)
            assert type(again) is type(value)
            assert content(again) == content(value)
            if isinstance(value, Fit | Rational | Saturated | Antiderivative):
                assert again(0.25) == value(0.25)


def test_an_exception_keeps_its_fit():
    found = fit("exp(x)", (2, 2), (-1, 1))
    found.rational.poles()
    again = pickle.loads(pickle.dumps(DidNotConverge("no", found)))
    assert (str(again), again.fit.rational) == ("no", found.rational)


def test_an_expression_has_the_hash_of_the_process_that_reads_it(tmp_path):
    formula = Target("max(x, sin(x)) + gelu(x)", (0, 1)).expression
    hash(formula)
    (tmp_path / "formula").write_bytes(pickle.dumps(formula))
    program = (
        "import pickle, sys; from rational_approx.expressions.expression import parse; "
        "read = pickle.load(open(sys.argv[1], 'rb')); made = parse(read.text); print(read in {made})"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "formula")]
    environment = {**os.environ, "PYTHONHASHSEED": "5"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_target_that_holds_a_lambda_says_so_when_pickled_and_is_copied():
    found = fit(lambda x: math.exp(x), (2, 1), (0, 1))
    for value in (found, fit(mpmath.expm1, (2, 1), (0, 1))):  # a method of mpmath's context, which does not copy
        assert copy.deepcopy(value)(0.5) == value(0.5)
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(found)


# -- built from plain numbers ----------------------------------------------------------------------------------------


def test_a_rational_is_built_from_plain_numbers():
    r = Rational([1], np.array([1, 0, 1]), domain=(-1, 1), basis="monomial")
    assert (r.numerator, r.denominator, r.domain) == ((1,), (1, 0, 1), Domain([(-1, 1)]))
    assert r(2.0) == 0.2
    assert certify(r, Target("1/(1 + x^2)", (-1, 1))).status == "proved"
    tenth = Rational([0.1, "1/3"], [1], (0, 1))
    assert [str(c) for c in tenth.numerator] == ["1/10", "1/3"]
    for wrong in ("12", 5, None):
        with pytest.raises(TypeError, match="sequence of numbers"):
            Rational(wrong, [1], (0, 1))
    with pytest.raises(ValueError, match="finite number"):
        Rational(["one"], [1], (0, 1))
    with pytest.raises(TypeError, match="number was expected"):
        Rational([True], [1], (0, 1))


def test_a_domain_is_built_from_plain_numbers():
    for domain in (Domain([(-1, 1)]), Domain((-1, 1)), Domain.of([-1, 1])):
        assert domain == Domain.of((-1, 1))
        assert domain.bounded
        assert fit("exp(x)", (2, 2), domain).error == fit("exp(x)", (2, 2), (-1, 1)).error
    assert not Domain([(0, "inf")]).bounded
    with pytest.raises(ValueError, match="reversed"):
        Domain([(1, -1)])


# -- what r(...) takes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["0.5", None, ["0.5"], [None, 1.0], 1j, np.array(["1"]), b"1", {}])
def test_what_is_no_number_is_refused_in_words(wrong):
    found = fit("exp(x)", (2, 2), (-1, 1))
    for function in (found, found.rational, found.rational.saturated()):
        with pytest.raises(TypeError, match="takes a number or an array"):
            function(wrong)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_come_back_in_their_type(kind):
    r = fit("exp(x)", (4, 4), (-1, 1)).rational
    x = np.linspace(-1, 1, 7).astype(kind)
    for function in (r, r.without_support(), r.monomial(), r.saturated()):
        assert function(x).dtype == kind
        assert function(x[2]) == function(x)[2]
        # Calculated in float64 and rounded once.
        np.testing.assert_array_equal(function(x), function(x.astype(float)).astype(kind))
    assert type(r(np.float32(0.5))) is np.float32
    assert type(r(0.5)) is type(r(1)) is type(r(np.float64(0.5))) is float
    assert r(np.array([0, 1])).dtype == float


# -- notebooks -------------------------------------------------------------------------------------------------------


def test_notebooks_show_a_picture(monkeypatch):
    pytest.importorskip("matplotlib")
    found = fit("where(x < 0, x, 2*x)", (3, 2), (-1, 1))
    for value in (found, found.rational, found.rational.saturated()):
        shown = value._repr_html_()
        assert shown.startswith("<pre>")
        assert 'src="data:image/png;base64,iVBORw0KGgo' in shown
        assert len(shown) < 100_000
    assert "where(x &lt; 0" in found._repr_html_()
    assert certify(found)._repr_html_().startswith("<pre>proved")

    def missing():
        raise ImportError

    monkeypatch.setattr("rational_approx.plot._figure", missing)
    assert found._repr_html_().endswith("</pre>")
