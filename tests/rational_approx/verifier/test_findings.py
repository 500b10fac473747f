"""What was once proved or confirmed although it was false, meaningless or unchecked, kind by kind.

Certificates are written here by hand, as a stranger could, so that the verifier stands alone; where the prover had the
same fault it is asked, too. The page on semantics says what is true.
"""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rational_approx import Domain, Rational, Target, certify, fit
from rational_approx.expressions.expression import parse
from rational_approx.shipping.documents import canonical_hash, document
from rational_approx.shipping.storage import load, verify
from rational_approx.verifier import verify as verify_document


def written(expression: str, r: str, upper: str, *, domain: Any = (("0", "1"),), **more: Any) -> dict[str, Any]:
    """A certificate that says that the error of a constant is at most ``upper``, with a part for each interval."""
    pairs = [list(pair) for pair in domain]
    content = {
        "schema": "rational-approx/certificate/2",
        "target": {"expression": expression, "weight": "1", "domain": pairs, "breakpoints": []},
        "rational": {
            **{"basis": "monomial", "format": "exact", "domain": pairs},
            **{"numerator": [r], "denominator": ["1"], "support": []},
        },
        **{"type": [0, 0], "competitors": "one sign", "status": "proved", "reason": "", "lower": "0", "upper": upper},
        **{"best_lower": "0", "pole_free": True, "witness": None, "references": [], "claims": [], "made_with": {}},
        "parts": [] if upper == "0" else [[k, *pair] for k, pair in enumerate(pairs)],
        "value": ["1/3", r, "1"],
    }
    content["target"] |= more.pop("target", {})
    content["rational"] |= more.pop("rational", {})
    return hashed(content | more)


def hashed(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"hash": canonical_hash(content)}


def proves(expression: str, r: str, domain: Any, breakpoints: Any = ()) -> Fraction | None:
    """The upper bound that the prover proves for a constant, or None; refusing the target is as good."""
    try:
        target = Target(expression, domain, breakpoints=breakpoints)
    except ValueError:
        return None
    found = certify(Rational((Fraction(r),), (Fraction(1),), Domain.of(domain), "monomial"), target)
    return found.upper if found.status == "proved" else None


# -- switches ----------------------------------------------------------------------------------------------------------

AT_SWITCHES = [
    # expression on [0, 1], its one value but for single points, a wrong one, and a point where a switch touches zero
    ("sign(x - x)", "0", "1"),
    ("heaviside(2*x - x - x)", "1/2", "1"),
    ("sign(min(x, 0))", "0", "-1"),
    ("where(0 < 0, 3, 4)", "4", "3"),
    ("where(x - x <= 0, 3, 4)", "3", "4"),
    ("where(min(x, 0) < 0, 3, 4)", "4", "3"),
    ("where(abs(x - 1/3) > 0, 3, 4)", "3", "4", "1/3"),
    ("where(abs(x - 1/3) <= 0, 3, 4)", "4", "3", "1/3"),
    ("sign(abs(x - 1/3))", "1", "0", "1/3"),
    ("heaviside(-((x - 2/7)^2))", "0", "1/2", "2/7"),
    ("max(sign(x + 1), heaviside(x - 2))", "1", "0"),
]


@pytest.mark.parametrize("case", AT_SWITCHES, ids=lambda case: case[0])
def test_a_switch_at_zero(case: tuple[str, ...]) -> None:
    expression, value, wrong, *touching = case
    target = {"breakpoints": touching}
    parts = [[0, "0", touching[0]], [1, touching[0], "1"]] if touching else [[0, "0", "1"]]
    assert verify_document(written(expression, value, "1/1000", target=target, parts=parts)).ok
    assert not verify_document(written(expression, wrong, "1/1000", target=target, parts=parts)).ok
    assert not verify_document(written(expression, wrong, "1/1000"), 1).ok
    assert proves(expression, value, (0, 1)) == 0
    assert float(proves(expression, wrong, (0, 1))) == abs(Fraction(wrong) - Fraction(value))


@pytest.mark.parametrize("comparison", [">", ">="])
def test_the_value_at_a_single_point_is_no_witness(comparison: str) -> None:
    expression = f"where(-abs(x - 1/4) {comparison} 0, 9, 0)"
    attained = written(expression, "0", "9", lower="9", witness=[0, "1/4"])
    assert not verify_document(attained).ok
    assert proves(expression, "0", (0, 1)) == 0


# -- powers, and targets that are undefined ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "value"), [("max(x, 3)^(-1)", "1/3"), ("min(x, -2)^(-3)", "-1/8"), ("max(x - 5, 0)^0", "1")]
)
def test_powers_of_what_becomes_a_number(expression: str, value: str) -> None:
    assert verify_document(written(expression, value, "0")).ok
    assert not verify_document(written(expression, "1", "0")).ok or value == "1"
    assert proves(expression, value, (0, 1)) == 0


UNDEFINED = ["max(x - 5, 0)^(-1)", "1 + 0*sqrt(-2)", "1 + 0*sqrt(x - 1/2)", "x*(1/x)", "1 + 0*log(x - 1/3)"]
UNDEFINED += ["1 + 0*(-1 - x)^(1/2)", "1 + 0*asin(x + 1/2)", "1 + 0*acosh(x)", "x*gamma(x)/gamma(x + 1)"]
UNDEFINED += ["1 + 0*(x - 1)^(x)", "1 + 0*gamma(x - 1/2)", "1 + 0*loggamma(x)", "where(sqrt(x - 2) < 0, 1, 1)"]


@pytest.mark.parametrize("expression", UNDEFINED)
@pytest.mark.parametrize("upper", ["0", "1/1000", "1000"])
def test_there_is_no_statement_about_an_undefined_target(expression: str, upper: str) -> None:
    assert not verify_document(written(expression, "1", upper), 1).ok
    assert proves(expression, "1", (0, 1)) is None


HOLES = ["x/x", "1 + 0/(3*x - 1)", "(x - 1/3)^0 * (3*x - 1)/(3*x - 1)"]


@pytest.mark.parametrize("expression", HOLES)
def test_a_hole_has_the_limit_as_its_value(expression: str) -> None:
    assert verify_document(written(expression, "1", "0"), 1).outcome == "not decided"  # the verifier knows no holes
    assert proves(expression, "1", (0, 1)) == 0


def test_an_error_of_zero_needs_the_whole_domain() -> None:
    beyond = written("where(x < 1/2, 0, 1)", "0", "0", parts=[[0, "1/2", "inf"]])
    assert verify_document(beyond).outcome == "refuted"
    assert not verify_document(written("where(x < 1/2, 0, 1)", "0", "0")).ok


# -- samples -----------------------------------------------------------------------------------------------------------


def sampled(samples: list[list[str]], **more: Any) -> dict[str, Any]:
    content = written("x", "0", "1", domain=(("-1", "1"),))
    return hashed(content | {"target": {"samples": samples, "domain": [["-1", "1"]]}, "parts": []} | more)


TWO = [["-1", "-1", "1"], ["1", "1", "1"]]
ALTERNATING = [{"signs": [1], "points": [[0, "-1", -1], [0, "1", 1]]}]
FALSE_SAMPLES = {
    "one sample twice in the reference": {
        "references": [{"signs": [1], "points": [[0, "-1", -1], [0, "1", 1], [0, "-1", -1]]}],
        "type": [1, 0],
        "best_lower": "1",
    },
    "a reference of another piece": {
        "references": [{"signs": [1], "points": [[0, "-1", -1], [1, "1", 1]]}],
        "best_lower": "1",
    },
    "competitors of any sign": {
        "competitors": "any sign",
        "references": ALTERNATING,
        "best_lower": "1",
        "type": [0, 1],
    },
    "no point of a reference is a sample": {
        "references": [{"signs": [1], "points": [[0, "-1/2", -1], [0, "1", 1]]}],
        "best_lower": "1",
    },
    "parts of a covering": {"parts": [[0, "-1", "1"]]},
    "a lower bound above the error": {"lower": "1", "upper": "1", "witness": [0, "1/2"]},
}


@pytest.mark.parametrize("kind", FALSE_SAMPLES)
def test_false_statements_about_samples(kind: str) -> None:
    assert not verify_document(sampled(TWO, **FALSE_SAMPLES[kind])).ok


def test_samples_are_shown_as_samples_and_against_one_sign_only() -> None:
    found = verify_document(sampled(TWO, references=ALTERNATING, best_lower="1", type=[0, 1]))
    assert found.ok  # 1/x, whose Q changes its sign between the samples, is no competitor, and the statement says so
    assert "2 samples" in str(found)
    assert "keeps one sign on the whole domain" in str(found)
    named = sampled(TWO)
    named["target"]["expression"] = "tanh(x)"
    assert verify_document(hashed(named)).outcome == "refuted"


@pytest.mark.parametrize(
    "samples",
    [[["0", "0", "1"], ["0", "0", "1"]], [["1", "0", "1"], ["0", "0", "1"]], [["0", "0", "-1"]], [], [["5"] * 3]],
)
def test_samples_that_are_no_samples(samples: list[list[str]]) -> None:
    assert verify_document(sampled(samples)).outcome == "refuted"


def test_a_weight_of_zero_is_no_reference_point() -> None:
    weightless = [["-1", "-1", "1"], ["0", "5", "0"], ["1", "-1", "1"]]
    points = [[0, "-1", -1], [0, "0", 1], [0, "1", -1]]
    found = verify_document(
        sampled(weightless, references=[{"signs": [1], "points": points}], best_lower="1", type=[1, 0])
    )
    assert not found.ok


# -- what a file says beside what was checked --------------------------------------------------------------------------

TRUE = written("x", "0", "1")
MORE: dict[str, Any] = {
    "another key": lambda d: d | {"certified_by": "an authority"},
    "a key in the target": lambda d: d | {"target": d["target"] | {"note": "tanh"}},
    "a key in the rational": lambda d: d | {"rational": d["rational"] | {"error": "1e-30"}},
    "a decimal beside the number": lambda d: d | {"about": {"upper": "1e-30"}},
    "a reason": lambda d: d | {"reason": "proved by hand"},
    "another format": lambda d: d | {"rational": d["rational"] | {"format": "float8"}},
    "a claim with an argument more": lambda d: (
        d | {"claims": [{"name": "error", "arguments": ["1", "0"], "status": "proved", "witness": None}]}
    ),
    "a claim without a number": lambda d: (
        d | {"claims": [{"name": "error", "arguments": [], "status": "proved", "witness": None}]}
    ),
    "a size below 0, on no part": lambda d: (
        d
        | {"upper": "0", "parts": [], "target": d["target"] | {"expression": "0"}}
        | {"claims": [{"name": "derivative", "arguments": ["-1"], "status": "proved", "witness": None}]}
    ),
    "a number of Python": lambda d: d | {"target": d["target"] | {"expression": "0_1 * x"}},
    "a hexadecimal number": lambda d: d | {"target": d["target"] | {"expression": "0x1 * x"}},
    "a complex number": lambda d: d | {"target": d["target"] | {"expression": "x + 0j"}},
    "another status": lambda d: d | {"status": "PROVED"},
    "truth that is no truth": lambda d: d | {"pole_free": 1},
    "a part that is longer": lambda d: d | {"parts": [[0, "0", "1", "by magic"]]},
}


@pytest.mark.parametrize("kind", MORE)
def test_a_file_that_says_more_than_is_checked_is_refuted(kind: str) -> None:
    assert verify_document(TRUE).ok
    assert verify_document(hashed(MORE[kind](TRUE))).outcome == "refuted"


def test_what_is_not_checked_is_said() -> None:
    found = verify_document(hashed(TRUE | {"made_with": {"a compiler": "9"}}))
    assert found.unchecked == ("made_with: a compiler 9",)
    assert "not checked made_with" in str(found)


@pytest.mark.parametrize("text", ["\x1b[2Jverified", "a\nverified\n", "\x9b31m", "\u202everified", "\r"])
def test_text_of_a_file_reaches_the_terminal_as_plain_ascii_on_one_line(text: str, tmp_path: Path) -> None:
    claim = {"name": text, "arguments": [], "status": "proved", "witness": None}
    for content in (
        TRUE | {"claims": [claim]},
        TRUE | {"made_with": {text: text}},
        TRUE | {text: "x"},
        TRUE | {"status": text},
        TRUE | {"target": TRUE["target"] | {"expression": text}},
        TRUE | {"schema": text},
    ):
        shown = str(verify_document(hashed(content))).splitlines()
        assert all(line.isprintable() for line in shown)
        assert shown[-1] in ("verified", "refuted", "not decided")
        assert "verified" not in shown[:-1]


# -- limits ------------------------------------------------------------------------------------------------------------


def test_limits_hold_in_exact_arithmetic_too() -> None:
    long = f"-{'7' * 3900}/{'3' * 3901}", f"{'9' * 3900}/{'7' * 3899}"
    many = ["1/3"] * 90
    content = written("x", "0", "1", domain=(long,))
    content["rational"] |= {"basis": "chebyshev", "numerator": many, "denominator": many}
    found = verify_document(hashed(content | {"type": [90, 90]}), 1)
    assert found.outcome == "not decided"


def test_a_number_with_an_exponent_of_thirteen_digits_is_printed() -> None:
    assert "e-2598777876839" in str(parse("pi^(-10^(e+10))").mpf(1))


def test_not_confirmed_is_not_refuted() -> None:
    """Too few bits were once reported as an error below the lower bound."""
    certificate = certify(fit("x^(-1/4)", (8, 8), ("1e-10", 1), weight="relative"))
    assert verify_document(document(certificate), 30).outcome in ("verified", "not decided")
    assert verify_document(document(certificate), 0.001).outcome == "not decided"


# -- the best possible, and against whom -------------------------------------------------------------------------------

GAP = [(-2, -1), (1, 2)]


def test_the_class_of_competitors_is_part_of_what_is_proved() -> None:
    """1/x has no pole on the domain, and another sign of Q on each side of the gap."""
    constant = certify(fit("1/x", (0, 1), GAP))
    r = Rational((Fraction(1),), (Fraction(0), Fraction(1)), Domain.of(GAP), "monomial")
    itself = certify(r, Target("1/x", GAP))
    assert float(constant.best_lower) == float(constant.upper) == 1
    assert itself.upper == 0
    assert constant.competitors == "one sign"
    told = verify_document(document(constant))
    assert told.ok
    assert "whose Q keeps one sign on the whole domain" in str(told)
    relabelled = hashed(document(constant) | {"competitors": "any sign"})
    assert not verify_document(relabelled).ok


def test_schema_1_claimed_more_than_the_theorem_says() -> None:
    old = document(certify(fit("1/x", (0, 1), GAP)))
    assert verify_document(as_schema_1(old)).outcome == "not decided"
    one_interval = document(certify(fit("exp(x)", (2, 2), (-1, 1))))
    assert verify_document(as_schema_1(one_interval)).ok


def as_schema_1(content: dict[str, Any]) -> dict[str, Any]:
    """The same certificate as version 0.1.0 wrote it."""
    kept = {key: value for key, value in content.items() if key not in ("competitors", "references", "hash")}
    about = dict.fromkeys(("lower", "upper", "best_lower"))
    more = {"schema": "rational-approx/certificate/1", "about": about, "reference": content["references"][0]["points"]}
    return hashed(kept | more | {"parts": [[*part, "bound"] for part in content["parts"]]})


def test_a_file_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    certificate = certify(fit("exp(x)", (2, 2), (-1, 1)))
    path = tmp_path / "old.json"
    path.write_text(json.dumps(as_schema_1(document(certificate))))
    assert load(path) == certificate
    assert verify(path).ok


def test_a_pole_at_a_zero_of_the_weight_is_no_competitor() -> None:
    content = written("sign(x)", "0", "1", domain=(("-1", "1"),), target={"weight": "abs(x)", "breakpoints": ["0"]})
    content |= {"parts": [[0, "-1", "0"], [1, "0", "1"]], "type": [0, 1], "best_lower": "1"}
    content |= {"references": [{"signs": [1], "points": [[0, "-1", -1], [1, "1", 1]]}]}
    assert verify_document(hashed(content)).ok  # true in its class, which the statement names
    old = as_schema_1(hashed(content))
    assert verify_document(old).outcome == "not decided"


# -- found by the third opinion ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", ["where(x > atan(x), 1, 0)", "sign(min(sin(x), x))", "sign(min(x, tanh(x)))"])
def test_the_value_at_an_isolated_end_is_no_error(expression: str) -> None:
    """At 0 both sides of the switch are equal: that single value was once taken for an error of almost 1."""
    found = certify(Rational((Fraction(1),), (Fraction(1),), Domain.of((0, 1)), "monomial"), Target(expression, (0, 1)))
    assert found.lower == 0
    assert found.status != "refuted"


@pytest.mark.parametrize(
    ("expression", "domain"),
    [
        *(("0*tan(2*x)", ("-2.4", "-1.3")), ("0*gamma(x)", ("-2.1", "0.6")), ("0*loggamma(x)", ("-2.7", "-0.2"))),
        *(("tanh(1/(x - 0.3141))", (-1, 1)), ("tanh(0^x)", ("1.4", "2.4")), ("0*loggamma(sin(x))", ("0.6", "4.1"))),
    ],
)
def test_a_factor_of_zero_or_a_bounded_function_hides_no_pole(expression: str, domain: Any) -> None:
    """Ball arithmetic forgets it: zero times an infinite ball is zero, and its tanh lies between -1 and 1."""
    rational = Rational((Fraction(0),), (Fraction(1),), Domain.of(domain), "monomial")
    found = certify(rational, Target(expression, domain), claims=[("error", 10**6)])
    assert found.status == "undecided"
    assert found.upper is None
    assert found.claims[0].status == "undecided"


@pytest.mark.parametrize("weight", ["1", "where(x > 0, 1, 3)"])
def test_a_jump_where_parts_meet_is_seen_from_both_sides(weight: str) -> None:
    expression = "where(x > 0, 0, 1 + x)" if weight == "1" else "exp(x)"
    upper = "1/1000" if weight == "1" else "29/10"
    for parts in ([[0, "-1", "1"]], [[0, "-1", "0"], [0, "0", "1"]]):
        content = written(expression, "0", upper, domain=(("-1", "1"),), parts=parts, target={"weight": weight})
        assert not verify_document(content, 1).ok


@pytest.mark.parametrize("u", ["sqrt(-1 - x^2)", "log(x - 1/3)", "1/(3*x - 1)"])
def test_a_switch_without_a_value_is_no_switch(u: str) -> None:
    """u >= u is true wherever u has a value."""
    expression = f"where({u} >= {u}, 1, 2)"
    assert not verify_document(written(expression, "1", "1/1000"), 1).ok
    assert proves(expression, "1", (0, 1)) is None
    assert proves("where(log(x + 2) >= log(x + 2), 1, 2)", "1", (0, 1)) == 0


@pytest.mark.parametrize("expression", ["sin(log(-x))", "sin(sqrt(-x)) / x", "0 * sin(acosh(-x))"])
def test_a_sine_of_what_has_no_value_has_none_on_a_half_line(expression: str) -> None:
    """It was taken as a number between -1 and 1."""
    assert not verify_document(written(expression, "0", "3/2", domain=(("1", "inf"),)), 2).ok
    assert proves(expression, "0", (1, float("inf"))) is None
    assert verify_document(written("sin(log(x))", "0", "3/2", domain=(("1", "inf"),)), 20).ok
