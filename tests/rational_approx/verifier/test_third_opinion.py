"""The third opinion (``tests/adversaries``): the refuter is right, and in a seeded slice nothing false passes."""

from dataclasses import replace
from fractions import Fraction
from math import inf, log
from typing import Any

import pytest

from tests.adversaries.third_opinion import polynomials
from tests.adversaries.third_opinion.error import Ratio, largest
from tests.adversaries.third_opinion.files import Malformed, document, statement_of
from tests.adversaries.third_opinion.meaning import meaning
from tests.adversaries.third_opinion.reader import Unreadable, read, shown
from tests.adversaries.third_opinion.refuter import Statement, refute
from tests.adversaries.third_opinion.trials import Answer, trial

F = Fraction
ONE = (F(1),)
UNIT = ((F(-1), F(1)),)
HALF_E = F(28171817154095474, 10**17)
"""The largest error of ``(1 + x/2) / (1 - x/2)`` for ``exp(x)`` on [-1, 1] is ``3 - e``, at 1."""
SEED, PROBLEMS = 2, 35


def stated(expression: str, top: Any = (0,), bottom: Any = (1,), **more: Any) -> Statement:
    """A statement on [-1, 1] unless told otherwise."""
    sides = [tuple(F(c) for c in side) for side in (top, bottom)]
    domain = more.pop("domain", UNIT)
    weight = more.pop("weight", "1")
    more.setdefault("type", (len(sides[0]) - 1, len(sides[1]) - 1))
    return Statement(expression, weight, domain, *sides, **more)


EXP = stated("exp(x)", (1, F(1, 2)), (1, F(-1, 2)), upper=F(29, 100))


def size(expression: str, top: Any = (0,), domain: Any = UNIT, weight: str = "1", bottom: Any = (1,)) -> float:
    """The largest error that is found."""
    meant = meaning(expression, weight, domain, ())
    assert not meant.undefined
    assert not meant.doubt
    peak = largest(meant, Ratio(tuple(map(F, top)), tuple(map(F, bottom))))
    assert peak is not None
    return float(peak.size)


# -- the reader and the meaning ----------------------------------------------------------------------------------------


def test_a_tree_can_be_written_and_read_again() -> None:
    for text in ("2^3^2*x", "-x^2", "where(x <= 1, abs(x), max(x, 2))", "2^-x", "1 - 2 - x", "clip(x, 0, 1)/3", "x^3"):
        assert read(shown(read(text))) == read(text)
    assert size("2^3^2*x", domain=((F(0), F(1)),)) == 512
    assert size("-x^2") == 1


@pytest.mark.parametrize(
    "text", ["1_0*x", "0x10", "x;x", "٣*x", "x==1", "where(x = 0, 1, 2)", "f(x)", "y", "", "x x", "(x", "1e"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


@pytest.mark.parametrize(
    ("expression", "domain"),
    [
        ("x*(1/x)", UNIT),
        ("cos(x)/x", UNIT),
        ("sin(x)/x^2", UNIT),
        ("x*log(x)", UNIT),
        ("0*zeta(x)", ((F(0), F(2)),)),
        ("bessely(0, x)", ((F(0), F(2)),)),
        ("1 + 0*sqrt(max(x, 2)^(-2) - 1/2)", UNIT),
        ("0^(-1)", UNIT),
        ("x^(1/3)", UNIT),
        ("x^x", ((F(0), F(1)),)),
        ("(-1)^(1/3)", UNIT),
        ("1/heaviside(x)", UNIT),
        ("1/(1 - sign(max(x, 0)))", UNIT),
        ("0*gamma(x)", ((F(-21, 10), F(3, 5)),)),
        ("0*tan(2*x)", ((F(-12, 5), F(-13, 10)),)),
        ("where(x > 0, log(-x), 0)", UNIT),
        ("1/sin(x)^2", UNIT),
        ("atanh(x)", UNIT),
        ("(1 + abs(x))*log(abs(x))", UNIT),
    ],
)
def test_undefined_targets_are_seen(expression: str, domain: Any) -> None:
    assert meaning(expression, "1", domain, ()).undefined
    found = refute(stated(expression, upper=F(10**9), domain=domain))
    assert found is not None
    assert found.what == "undefined"


@pytest.mark.parametrize(
    "expression",
    [
        "sqrt(x + 1)",
        "0^0",
        "(x - x)^0",
        "abs(x)^(1/2)",
        "1/sign(x)",
        "where(x > 0, sqrt(x), sqrt(-x))",
        "asin(x)",
        "0^(1/2)",
        "x/x",
        "sin(x)/x",
        "(1 - cos(x))/x^2",
        "sin(x - 0.3)/(x - 0.3)",
        "abs(x)*log(abs(x))",
        "log(abs(x))*exp(x)*x^2",
        "besselj(1, x)/x",
    ],
)
def test_defined_targets_are_left_alone(expression: str) -> None:
    meant = meaning(expression, "1", UNIT, ())
    assert not meant.undefined
    assert not meant.doubt


def test_the_value_at_a_hole_is_the_limit() -> None:
    assert size("sin(x)/x") == 1
    assert size("x/x", (1,)) == 0
    assert size("log(1 + x)/x", (1,), ((F(0), F(1)),)) == pytest.approx(1 - log(2))


def test_the_weight_may_be_infinite_where_the_target_vanishes() -> None:
    assert meaning("tanh(x)", "1/abs(tanh(x))", UNIT, ()).infinite
    assert meaning("1 + x", "1/x", UNIT, ()).undefined
    assert size("tanh(x)", (0, 1), weight="1/abs(tanh(x))") == pytest.approx(0.3130352854993313)
    assert size("tanh(x)", (F(1, 100),), weight="1/abs(tanh(x))") > 1e20  # r does not vanish there


@pytest.mark.parametrize(
    ("expression", "top", "largest_error"),
    [
        ("heaviside(0)", (0,), 0.5),
        ("sign(max(x, 0))", (1,), 1),
        ("sign(max(x, 0))", (F(1, 2),), 0.5),
        ("where(1 > 1, 5, x)", (0, 1), 0),
        ("where(1 >= 1, 5, x)", (5,), 0),
        ("where(max(x, 0) > 0, 1, 2)", (2,), 1),
        ("where(max(x, 0) >= 0, 1, 2)", (1,), 0),
        ("where(max(x, 0) < 0, 1, 2)", (2,), 0),
        ("where(-abs(x - 1/3) > 0, 5, 0)", (0,), 0),
        ("where(-abs(x - 1/3) >= 0, 5, 0)", (0,), 0),
        ("min(x, x)", (0, 1), 0),
        ("max(x, 2)^(-2)", (1,), 0.75),
        ("sign(x)^0", (1,), 0),
        ("x^sign(2)", (0, 1), 0),
        ("sign(sin(x)^2 + cos(x)^2 - 1)", (0,), 0),
        ("abs(x^2 - 1/2)", (0,), 0.5),
        ("relu(x) - max(x, 0)", (0,), 0),
    ],
)
def test_values_are_those_of_the_page(expression: str, top: Any, largest_error: float) -> None:
    assert size(expression, top) == largest_error


def test_largest_errors_in_closed_form() -> None:
    assert size("exp(x)", (1, F(1, 2)), bottom=(1, F(-1, 2))) == pytest.approx(float(HALF_E), rel=1e-14)
    assert size("sqrt(x)", (F(1, 8), 1), domain=((F(0), F(1)),)) == pytest.approx(0.125, rel=1e-14)
    assert size("atan(x)", domain=((F(0), inf),)) == pytest.approx(1.5707963267948966, rel=1e-12)
    assert size("x*exp(-x)", domain=((F(0), inf),)) == pytest.approx(0.36787944117144233, rel=1e-14)
    assert size("abs(x)", (F(1, 2),), weight="1 + x^2") == 1


# -- the refuter -------------------------------------------------------------------------------------------------------

LITTLE = F(1, 10**12)
FALSE = {
    "upper": replace(EXP, upper=HALF_E * (1 - LITTLE)),
    "lower": replace(EXP, lower=HALF_E * (1 + LITTLE), witness=(0, F(1))),
    "best_lower": replace(EXP, best_lower=HALF_E * (1 + F(1, 10**6))),
    "pole": stated("x", (F(0), F(1)), (F(-1, 3), 1), upper=F(10)),
    "range": replace(EXP, claims=(("range", F(1, 3) + LITTLE, F(3)),)),
    "monotone": stated("x", (0, 1, F(-1, 2) - LITTLE), upper=F(10), claims=(("monotone", "increasing"),)),
    "lipschitz": stated("x", (0, 0, 1), upper=F(10), claims=(("lipschitz", 2 - LITTLE),)),
    "saturation": stated(
        "x", (1,), (1, 1), domain=((F(0), inf),), claims=(("saturation", F(9), inf, F(0), F(1, 10) - LITTLE),)
    ),
    "derivative": stated("x^2", (0, 1), upper=F(10), claims=(("derivative", 3 - LITTLE),)),
    "error": replace(EXP, claims=(("error", HALF_E * (1 - LITTLE)),)),
    "best": replace(EXP, best_lower=F(1, 10), claims=(("best", F(28, 10)),)),
    "format": replace(EXP, claims=(("format", "float8"),)),
    "value": replace(EXP, value=(F(0), F(1), 1 + LITTLE)),
}
SAMPLES = ((F(0), F(0), F(1)), (F(1), F(1), F(1)))


@pytest.mark.parametrize("what", list(FALSE))
def test_every_kind_of_false_statement_is_refuted(what: str) -> None:
    found = refute(FALSE[what])
    assert found is not None
    assert found.what == what


def test_what_is_true_by_as_little_is_not_refuted() -> None:
    up = HALF_E * (1 + F(1, 10**15))
    for true in (
        replace(EXP, upper=up, lower=HALF_E * (1 - F(1, 10**15)), witness=(0, F(1))),
        replace(EXP, claims=(("range", F(1, 3), F(3)), ("monotone", "increasing"), ("error", up), ("lipschitz", F(4)))),
        stated("x", (0, 1, F(-1, 2)), upper=F(10), claims=(("monotone", "increasing"),)),
        stated("x", (0, 0, 1), upper=F(10), claims=(("lipschitz", F(2)), ("range", F(0), F(1)))),
        stated(
            "1/(1 + x)",
            (1,),
            (1, 1),
            domain=((F(0), inf),),
            claims=(("saturation", F(9), inf, F(0), F(1, 10)),),
            upper=F(0),
        ),
        stated("x^2", (0, 1), upper=F(2), claims=(("derivative", F(3)),)),
        stated("where(-abs(x - 1/3) > 0, 5, 0)", upper=F(0)),
        stated("sign(x)", weight="abs(x)", type=(0, 1), upper=F(1), best_lower=F(1)),  # 1/x has a pole
    ):
        assert refute(true, deep=True) is None


def test_a_lower_bound_is_compared_with_all_digits() -> None:
    near = stated("x", (F(1, 3),), upper=F(2), lower=F(4, 3) - F(1, 10**25), witness=(0, F(-1)))
    assert refute(near) is None
    assert refute(replace(near, lower=F(4, 3) + F(1, 10**25))) is not None


def test_the_value_at_an_isolated_point_is_no_witness() -> None:
    found = refute(stated("where(-abs(x - 1/3) >= 0, 5, 0)", upper=F(6), lower=F(5), witness=(0, F(1, 3))))
    assert found is not None
    assert found.what == "lower"


def test_better_rationals_are_found_by_linear_programs() -> None:
    claim = stated("abs(x)", (F(1, 2),), type=(2, 2), upper=F(1), best_lower=F(9, 100))
    found = refute(claim, deep=True)  # the best error of this type is 0.0437
    assert found is not None
    assert found.what == "best_lower"
    assert refute(replace(claim, best_lower=F(43, 1000)), deep=True) is None
    gap = ((F(-1), F(-1, 10)), (F(1, 10), F(1)))
    step = stated("1/x", (0,), type=(0, 1), domain=gap, upper=F(10), best_lower=F(1))
    assert refute(step, deep=True) is None  # of one sign the best is far away
    assert refute(replace(step, competitors="any sign"), deep=True) is not None  # 1/x itself


def test_samples_are_exact() -> None:
    base = stated("y", (F(1, 2),), domain=((F(0), F(1)),), samples=SAMPLES, type=(1, 0))
    assert refute(replace(base, upper=F(1, 2), lower=F(1, 2), witness=(0, F(1)))) is None
    for what, false in {
        "upper": replace(base, upper=F(1, 2) - LITTLE),
        "lower": replace(base, upper=F(1), lower=F(1, 2) + LITTLE, witness=(0, F(1))),
        "best_lower": replace(base, upper=F(1, 2), best_lower=F(1, 2)),  # a line passes through both
        "negative weight": replace(base, upper=F(9), samples=(*SAMPLES, (F(1, 2), F(0), F(-1)))),
        "derivative": replace(base, upper=F(1, 2), claims=(("derivative", F(9)),)),
    }.items():
        found = refute(false, deep=True)
        assert found is not None
        assert found.what == what


def test_signs_of_polynomials_are_exact() -> None:
    p = polynomials.times((F(-2), F(0), F(1)), (F(-1, 3), F(1)))
    found = polynomials.roots(p, F(0), F(3))
    assert [a == b for a, b in found] == [True, False]
    assert float(found[1][0]) == pytest.approx(2**0.5)
    tiny = (F(1, 10**40), F(0), F(1))
    assert polynomials.negative_at(tiny, F(-1), F(1)) is None
    assert polynomials.negative_at((-tiny[0], *tiny[1:]), F(-1), F(1)) is not None


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [1, 2])
def test_a_file_reads_as_what_it_was_written_from(schema: int) -> None:
    content = document(replace(EXP, claims=(("range", F(0), inf),)), schema)
    again = statement_of(content)
    assert (again.upper, again.claims, again.numerator) == (EXP.upper, (("range", F(0), inf),), EXP.numerator)
    for change in (
        {"upper": "1_0"},
        {"upper": 1},
        {"pole_free": False},
        {"note": ""},
        {"type": [True, 0]},
        {"value": []},
    ):
        with pytest.raises(Malformed):
            statement_of(content | change)


# -- the slice ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    """A seeded slice of the trials."""
    return [answer for index in range(PROBLEMS) for answer in trial(SEED, index)]


def test_no_false_statement_passes(answers: list[Answer]) -> None:
    assert sum(answer.truth == "false" for answer in answers) >= 100
    assert not [answer for answer in answers if answer.wrong]
    assert not [answer for answer in answers if answer.truth == "true" and answer.said == "no"]


def test_true_statements_about_elementary_functions_pass(answers: list[Answer]) -> None:
    chosen = [a for a in answers if a.family == "elementary" and a.truth == "true"]
    assert len(chosen) >= 15
    assert not [answer for answer in chosen if answer.said != "yes"]
