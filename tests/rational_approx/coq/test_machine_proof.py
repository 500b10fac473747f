"""Coq files from certificates: what they say, what is refused, and that `coqc` accepts the true ones alone."""

import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest

import rational_approx
from rational_approx import Certificate, Domain, Rational, Target, certify, fit
from rational_approx.coq.boxes import Box, boxes, taylor
from rational_approx.coq.errors import loosened
from rational_approx.coq.machine_proof import machine_proof
from rational_approx.expressions.expression import parse
from tests.rational_approx.command_line import run, sentence


def certificate(function: Any, degree: tuple[int, int], domain: Any, *, claims: Any = (), **more: Any) -> Certificate:
    found = certify(fit(function, degree, domain, **more), claims=claims)
    assert found.status == "proved", found
    return found


def accepted(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("coqc") is None:
        pytest.skip("coqc is not installed: apt-get install coq libcoq-interval")
    (folder / "proof.v").write_text(text)
    return subprocess.run(["coqc", "proof.v"], cwd=folder, capture_output=True, text=True, timeout=1800, check=False)


def theorems(text: str) -> dict[str, str]:
    found = re.findall(r"^Theorem (\w+) : (.*?)\.\nProof\.", text, re.MULTILINE | re.DOTALL)
    return {name: " ".join(statement.split()) for name, statement in found}


# -- what the files say ----------------------------------------------------------------------------------------------


def test_statements_are_those_of_the_certificate() -> None:
    claims = [("range", "-1/10", 2), ("lipschitz", 3), ("saturation", 0, 1, "1/2", 1)]
    found = certificate("relu(x)", (3, 2), (-1, 1), claims=claims)
    proof = machine_proof(found)
    upper = found.upper
    assert upper is not None
    said = theorems(proof.text)
    bound = f"({upper.numerator} / {upper.denominator})"
    assert said["error"] == f"forall x : R, (-1) <= x <= 1 -> Rabs (f x - r x) <= {bound}"
    assert said["pole_free"] == "forall x : R, (-1) <= x <= 1 -> 0 < value Q x"
    assert said["range_1"] == "forall x : R, (-1) <= x <= 1 -> (-1 / 10) <= r x /\\ r x <= 2"
    assert said["lipschitz_2_slope"] == "forall x : R, (-1) <= x <= 1 -> has_slope r x (fun s => Rabs s <= 3)"
    assert said["saturation_3"] == "forall x : R, 0 <= x <= 1 -> Rabs (r x - (1 / 2)) <= 1"
    assert "Definition f (x : R) : R := Rmax x 0." in proof.text
    assert "Definition r (x : R) : R := value P x / value Q x." in proof.text
    assert not proof.interval
    assert "From Interval" not in proof.text
    # The coefficients are the certificate's, all times the same number.
    lists = re.findall(r"Definition [PQ] : list Z := (\[.*?\])%Z", proof.text)
    p, q = (json.loads(body.replace(";", ",")) for body in lists)
    top, bottom = found.rational.polynomials
    assert flint.fmpq_poly(p) * bottom == flint.fmpq_poly(q) * top
    assert (len(p), len(q)) == (4, 3)


def test_the_first_comment_names_what_is_not_proved() -> None:
    claims = [("best", 2), ("derivative",), ("monotone", "increasing"), ("error", 1)]
    proof = machine_proof(certificate("exp(x)", (2, 2), (-1, 1), claims=claims))
    head = proof.text[: proof.text.index("*)")]
    proved, left = head.split("NOT proved here:")
    assert "best_lower" in left
    assert "lower: the error is at least" in proved
    assert "claim: best 2" in left
    assert "claim: derivative" in left
    assert "monotone_3" in proved
    assert "error_claim_4: error 1" in proved
    assert "of itself above the certificate's upper bound" in proved
    assert proof.interval


def test_a_jump_is_stated_piece_by_piece() -> None:
    proof = machine_proof(certificate("where(x > 0.3, x, 0)", (3, 2), (-1, 1), breakpoints=[0.3]))
    said = theorems(proof.text)
    assert "error" not in said
    assert said["error_1"].startswith("forall x : R, (-1) <= x <= (3 / 10) -> Rabs (f_1 x - r x) <= ")
    assert "Definition f_1 (x : R) : R := 0." in proof.text
    assert "Definition f_2 (x : R) : R := x." in proof.text
    assert "Lemma order_2_1 : forall x : R, (3 / 10) <= x <= 1 -> (3 / 10) <= x." in proof.text


def test_gaps_weights_and_directions() -> None:
    gap = machine_proof(certificate("sign(x)", (3, 2), [(-1, "-0.1"), ("0.1", 1)], claims=[("range", -2, 2)]))
    assert {"pole_free_1", "pole_free_2", "range_1_1", "range_1_2", "error_1", "error_2"} <= set(theorems(gap.text))
    weighted = machine_proof(certificate("relu(x)", (3, 2), (-1, 1), weight="1 / (1 + abs(x))"))
    assert "Rabs (w x * (f x - r x))" in theorems(weighted.text)["error"]
    assert "Definition w (x : R) : R := 1 / (1 + Rabs x)." in weighted.text
    falling = machine_proof(certificate("exp(-x)", (2, 2), (0, 1), weight="1/3", claims=[("monotone", "decreasing")]))
    assert theorems(falling.text)["monotone_1"] == "forall x y : R, 0 <= x -> x <= y -> y <= 1 -> r y <= r x"
    assert "Rabs ((1 / 3) * (f x - r x))" in theorems(falling.text)["error"]


def test_the_denominator_is_written_positive() -> None:
    one = Fraction(1)
    r = Rational((-one,), (-2 * one, -one / 2), Domain.of((0, 1)), basis="monomial")
    text = machine_proof(certify(r, Target("1 / (2 + x / 2)", (0, 1)))).text
    assert "Definition P : list Z := [2]%Z." in text
    assert "Definition Q : list Z := [4; 1]%Z." in text


def test_boxes_follow_the_function() -> None:
    tree, small = parse("tanh(x)").tree, Fraction(1, 2**50)
    made = boxes([tree], Fraction(-2), Fraction(1), [small], 14)
    assert made[0].middle - made[0].half == -2
    assert made[-1].upper == 1
    assert all(a.upper == b.middle - b.half for a, b in pairwise(made))
    box = Box(Fraction(1, 2), Fraction(1, 8))
    coefficients, unit = taylor(tree, box, 14, small)
    for y in np.linspace(-0.125, 0.125, 9):
        value = sum(c / unit * y**k for k, c in enumerate(coefficients))
        assert abs(value - np.tanh(0.5 + y)) < 1e-15
    upper = Fraction(1, 3)
    assert upper * (1 + Fraction(1, 2**31)) <= loosened(upper) <= upper * (1 + Fraction(1, 2**30))


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "degree", "domain", "wanted"),
    [
        ("gelu", (3, 2), (-2, 2), "erf has no translation into Coq"),
        ("gamma(x)", (2, 2), (1, 2), "gamma has no translation into Coq"),
        ("loggamma(x)", (2, 2), (1, 2), "loggamma has no translation into Coq"),
        ("asin(x)", (3, 2), ("-0.5", "0.5"), "asin has no translation into Coq"),
        ("abs(x^2 - 2)", (4, 2), (-2, 2), "rational breakpoints"),
        ("max(exp(x), 2)", (3, 2), (-1, 1), "no rational function"),
        ("exp(-x)", (0, 2), (0, "inf"), "bounded intervals alone"),
    ],
)
def test_what_has_no_translation_is_refused_by_name(
    function: str, degree: tuple[int, int], domain: Any, wanted: str
) -> None:
    found = replace(certify(fit(function, degree, domain)), status="proved")
    with pytest.raises(ValueError, match=wanted):
        machine_proof(found)


def test_other_refusals() -> None:
    vanishing = certificate("tanh(x)", (3, 2), (-1, 1), weight="relative")
    with pytest.raises(ValueError, match="weight is infinite"):
        machine_proof(vanishing)
    with pytest.raises(ValueError, match="undecided, not proved"):
        machine_proof(replace(vanishing, status="undecided"))
    with pytest.raises(ValueError, match="Taylor polynomials"):
        boxes([parse("sqrt(x)").tree], Fraction(0), Fraction(1), [Fraction(1, 2**30)], 8)


def test_the_rational_alone_of_any_target() -> None:
    found = certificate("gelu", (3, 2), (-2, 2), claims=[("range", -1, 3)])
    proof = machine_proof(found, error=False)
    assert set(theorems(proof.text)) == {"pole_free", "range_1"}
    assert "upper: that the error is not larger" in proof.left


def test_the_command_writes_a_file_or_nothing(tmp_path: Path) -> None:
    found = certificate("relu(x)", (3, 2), (-1, 1))
    file = rational_approx.save(found, tmp_path / "relu.json")
    result = run("prove", file, "--coq", tmp_path / "relu.v")
    assert result.exit_code == 0, result.output
    assert "proved by the file    error: the error is at most" in result.output
    assert "NOT proved by it      best_lower" in result.output
    assert "nothing is proved until coqc accepts it" in result.output
    assert (tmp_path / "relu.v").read_text() == machine_proof(found).text
    gelu = rational_approx.save(certificate("gelu", (3, 2), (-2, 2)), tmp_path / "gelu.json")
    assert run("prove", gelu, "--coq", tmp_path / "alone.v", "--without-error").exit_code == 0
    for words, wanted in [
        ((gelu, "--coq", tmp_path / "gelu.v"), "erf has no translation"),
        ((file, "--coq", tmp_path / "relu.txt"), "ends in .v"),
        ((file, "--coq", tmp_path / "1 2.v"), "ends in .v"),
        ((file, "--coq", tmp_path / "none" / "relu.v"), "does not exist"),
        (
            (rational_approx.save(fit("relu(x)", (3, 2), (-1, 1)), tmp_path / "fit.json"), "--coq", tmp_path / "f.v"),
            "Fit",
        ),
    ]:
        assert wanted in sentence(run("prove", *words))
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".json") == ["alone.v", "relu.v"]


# -- what coqc says --------------------------------------------------------------------------------------------------

CLAIMS = [("range", -2, 9), ("lipschitz", 3)]
BARS = {
    "relu (9, 8)": ("relu(x)", (9, 8), (-1, 1)),
    "tanh (9, 8)": ("tanh(x)", (9, 8), (-8, 8)),
    "silu (9, 8)": ("silu(x)", (9, 8), (-8, 8)),
    "sigmoid (7, 6)": ("sigmoid(x)", (7, 6), (-8, 8)),
}


@pytest.mark.coq
@pytest.mark.parametrize("bar", list(BARS))
def test_activations_are_accepted(bar: str, tmp_path: Path, record_property: Any) -> None:
    function, degree, domain = BARS[bar]
    proof = machine_proof(certificate(function, degree, domain, claims=CLAIMS))
    assert len(proof.left) == 1  # best_lower alone
    started = time.monotonic()
    outcome = accepted(proof.text, tmp_path)
    record_property("seconds", time.monotonic() - started)
    assert outcome.returncode == 0, outcome.stderr


ACCEPTED: dict[str, tuple[Any, ...]] = {
    "where, one side smooth": ("elu(x)", (3, 3), (-3, 2), {}, []),
    "a jump": ("where(x > 0.3, x, 0)", (3, 2), (-1, 1), {"breakpoints": [0.3]}, []),
    "a gap": ("sign(x)", (5, 4), [(-1, "-0.1"), ("0.1", 1)], {}, [("range", -2, 2), ("lipschitz", 100)]),
    "rational pieces": ("x / (1 + abs(x))", (5, 4), (-3, 3), {}, [("monotone", "increasing")]),
    "nested branches": ("hardswish(x)", (6, 6), (-5, 5), {}, []),
    "a curved switch": ("abs(x^2 - 1)", (6, 4), (-2, 2), {}, []),
    "relative": ("exp(x)", (3, 3), (-1, 1), {"weight": "relative"}, []),
    "a rational weight": ("relu(x)", (4, 4), (-1, 1), {"weight": "1 / (1 + abs(x))"}, []),
    "a constant weight": (
        "exp(-x)",
        (2, 2),
        (0, 1),
        {"weight": "1/3"},
        [("monotone", "decreasing"), ("range", 0, None), ("error", 1)],
    ),
    "abs inside exp": ("exp(-abs(x))", (4, 4), (-2, 2), {}, []),
    "many functions": ("log(x) + atan(x) - sqrt(x) + sin(x) * cos(x)", (3, 3), (1, 2), {}, []),
    "powers": ("log1p(x) + expm1(x) + softplus(x) + x^1.5 + x^-1 + 2^x + pi", (3, 3), (1, 2), {}, []),
    "hyperbolic": ("sinh(x) / cosh(x / 2) + asinh(x)", (3, 3), (-1, 1), {}, []),
    "tan and inverses": ("tan(x) + atanh(x) + acosh(x + 2)", (3, 3), ("-0.5", "0.5"), {}, []),
}


@pytest.mark.coq
@pytest.mark.parametrize("name", list(ACCEPTED))
def test_every_kind_of_target_is_accepted(name: str, tmp_path: Path) -> None:
    function, degree, domain, more, claims = ACCEPTED[name]
    outcome = accepted(machine_proof(certificate(function, degree, domain, claims=claims, **more)).text, tmp_path)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.coq
def test_samples_and_half_lines_are_accepted(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 20)
    samples = certify(fit(Target((x, np.exp(x)), weight=1 + x), (2, 2)), claims=[("monotone", "increasing")])
    outcome = accepted(machine_proof(samples).text, tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    one, whole = Fraction(1), Domain.of(("-inf", "inf"))
    bell = Rational((one,), (one, 0 * one, one), whole, basis="monomial")
    target = Target("1 / (1 + x^2)", whole)
    claims = [("range", 0, 2), ("saturation", 10, "inf", 0, "1/100"), ("saturation", "-inf", -10, 0, "1/100")]
    outcome = accepted(machine_proof(certify(bell, target, claims=[*claims, ("lipschitz", 1)])).text, tmp_path)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.coq
@pytest.mark.parametrize(
    ("function", "what", "part"),
    [
        ("relu(x)", "upper", Fraction(999, 1000)),
        ("tanh(x)", "upper", Fraction(999, 1000)),
        ("relu(x)", "lower", Fraction(1001, 1000)),
        ("tanh(x)", "lower", Fraction(1001, 1000)),
        ("relu(x)", "range", Fraction(9, 10)),
        ("tanh(x)", "lipschitz", Fraction(1, 2)),
    ],
)
def test_what_is_false_is_not_accepted(function: str, what: str, part: Fraction, tmp_path: Path) -> None:
    claims = [("range", -2, "1.02"), ("lipschitz", "1.2")]
    found = certificate(function, (3, 2), (-1, 1), claims=claims)
    assert found.upper is not None
    assert found.lower is not None
    if what == "upper":
        false = replace(found, upper=found.upper * part)
    elif what == "lower":
        false = replace(found, lower=found.lower * part)
    else:
        values = (Fraction(-2), part) if what == "range" else (part,)
        false = replace(found, claims=tuple(replace_claim(c, values) if c.name == what else c for c in found.claims))
    assert accepted(machine_proof(found).text, tmp_path).returncode == 0
    outcome = accepted(machine_proof(false).text, tmp_path)
    assert outcome.returncode != 0
    assert "Error" in outcome.stderr


def replace_claim(claim: Any, values: tuple[Any, ...]) -> Any:
    return claim._replace(arguments=values)
