"""The independent verifier: it accepts what is true, rejects what was changed, and survives hostile files."""

import copy
import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import pytest

from rational_approx import fit
from rational_approx.proof.prover import certify
from rational_approx.shipping.documents import document
from rational_approx.shipping.storage import verify
from rational_approx.verifier import verify as verify_document
from rational_approx.verifier.jets import Arithmetic
from rational_approx.verifier.models import Curve
from rational_approx.verifier.reading import read
from tests.adversaries import mutations
from tests.adversaries.hostile import HOSTILE
from tests.adversaries.mutations import CHANGES, HARMLESS, QUESTIONS, changed, contradicted, hashed, repinned

HOME = Path(verify_document.__code__.co_filename).parent


@pytest.fixture(scope="module")
def certificates() -> dict[str, dict[str, Any]]:
    return mutations.certificates()


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_true_is_confirmed_quickly(certificates: dict[str, Any], name: str) -> None:
    start = time.perf_counter()
    assert verify_document(certificates[name]).ok
    assert time.perf_counter() - start < 5


FUNCTIONS: list[tuple[str, tuple[int, int], Any]] = [
    *(("log(x)", (4, 4), ("0.5", 4)), ("erf(x)", (5, 4), (-3, 3)), ("erfc(x)", (4, 4), (0, 3))),
    *(("gamma(x)", (5, 4), (1, 3)), ("gamma(x)", (3, 3), ("-0.9", "-0.1")), ("loggamma(x)", (4, 3), (3, 8))),
    *(("sin(x)", (5, 4), (-3, 3)), ("cos(x)", (4, 4), (-3, 3)), ("tan(x)", (5, 4), (-1, 1))),
    *(("asin(x)", (5, 4), (-1, 1)), ("acos(x)", (4, 4), ("-0.9", "0.9")), ("atan(x)", (5, 4), (-3, 3))),
    *(("sinh(x)", (5, 4), (-3, 3)), ("cosh(x)", (4, 4), (-3, 3)), ("asinh(x)", (5, 4), (-3, 3))),
    *(("acosh(x)", (4, 4), (1, 3)), ("atanh(x)", (5, 4), ("-0.9", "0.9"))),
    *(("log1p(x)", (4, 4), ("-0.5", 2)), ("expm1(x)", (4, 4), (-1, 1)), ("sigmoid(x)", (5, 4), (-8, 8))),
    *(("abs(x)", (6, 6), (-1, 1)), ("abs(x^2 - 0.5)", (4, 4), (-1, 1)), ("min(exp(x), 2)", (4, 4), (-1, 2))),
    *(("max(sin(3*x), x)", (4, 4), (0, 1)), ("where(x < 0, x, sin(x))", (4, 4), (-1, 1))),
    *(("sqrt(1 - x^2)", (4, 4), (-1, 1)), ("x^1.5", (4, 4), (0, 1)), ("x^(1/3)", (3, 3), (0, 1))),
    *(("exp(-x^2)", (6, 6), (0, "inf")), ("exp(-x^2)", (6, 6), ("-inf", "inf")), ("atan(x)", (4, 4), (0, "inf"))),
    *(("(1 + x)/(2 + x^2)", (2, 1), (-1, 1)), ("sign(x)", (5, 4), [(-1, "-0.1"), ("0.1", 1)])),
]


@pytest.mark.parametrize(("target", "degree", "domain"), FUNCTIONS)
def test_what_certify_proves_is_confirmed(target: str, degree: tuple[int, int], domain: Any) -> None:
    certificate = certify(fit(target, degree, domain))
    assert certificate.status == "proved"
    assert certificate.gap < 1e-12
    start = time.process_time()
    assert verify_document(document(certificate), 60).ok
    assert time.process_time() - start < 5


def test_a_certificate_a_file_and_the_command_agree(tmp_path: Path) -> None:
    certificate = certify(fit("exp(x)", (2, 2), (-1, 1)))
    assert verify(certificate).ok
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(document(certificate)))
    assert verify(path).ok
    shutil.copytree(HOME, tmp_path / "verifier")
    command = [sys.executable, "-S", "-m", "verifier", path.name]  # -S: no installed package is in reach
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "verified")
    path.write_text(path.read_text().replace("exp(x)", "exp(x) + x"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "hash" in done.stdout
    with pytest.raises(FileNotFoundError, match="no file"):
        verify(tmp_path / "none.json")


def test_it_imports_nothing_of_the_package() -> None:
    for file in HOME.glob("*.py"):
        for line in re.findall(r"^\s*(?:from|import) .*$", file.read_text(), re.MULTILINE):
            source = line.split()[1]
            assert source.startswith((".", "verifier.")) or source.split(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("change", CHANGES)
def test_changed_certificates_are_rejected(certificates: dict[str, Any], change: Callable[..., None]) -> None:
    rng = random.Random(change.__name__)
    for name in ("relu", "exp", "weighted", "sign", "elu", "half_line"):
        outcome = verify_document(changed(certificates[name], change, rng))
        assert not outcome.ok, (name, change.__name__)
        assert outcome.failures


@pytest.mark.parametrize("change", HARMLESS)
def test_changes_that_leave_everything_true_are_accepted(
    certificates: dict[str, Any], change: Callable[..., None]
) -> None:
    rng = random.Random(change.__name__)
    for name in ("exp", "half_line"):
        assert verify_document(changed(certificates[name], change, rng)).ok


def test_a_changed_and_pinned_coefficient_is_accepted_only_where_the_bounds_still_hold(
    certificates: dict[str, Any],
) -> None:
    rng = random.Random(8)
    outcomes = []
    for name in ("exp", "relu") * 5:
        content = changed(certificates[name], repinned, rng)
        outcomes.append(verify_document(content).ok)
        assert not (outcomes[-1] and contradicted(content))
    assert not all(outcomes)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_certificates_are_rejected_without_an_exception(certificates: dict[str, Any], kind: str) -> None:
    content = HOSTILE[kind](copy.deepcopy(certificates["exp"]), random.Random(kind))
    start = time.process_time()
    content = hashed(content) if isinstance(content, dict) else {"schema": content}
    outcome = verify_document(content, 2)
    assert not outcome.ok
    assert time.process_time() - start < 10


@pytest.mark.parametrize("text", ["", "[" * 500_000, '{"a": NaN}', '{"a": 1, "a": 2}', "[1]", "1" * 9000, "\x80"])
def test_hostile_files_are_rejected_without_an_exception(tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.json"
    path.write_bytes(text.encode("latin-1"))
    assert not verify(path).ok


# -- its arithmetic against mpmath -----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["1/1000", "0.7", "1.46163", "3", "40.5"])
def test_the_gamma_function_encloses_the_truth(at: str) -> None:
    math, x = Arithmetic(200, time.monotonic() + 60), Fraction(at)
    found = math.evaluate(read("gamma(x)"), [math.exact(x), (math.one, math.one)] + [(0, 0)] * 4)
    with mpmath.workdps(120):
        z = mpmath.mpf(x.numerator) / x.denominator
        slope = mpmath.gamma(z) * mpmath.digamma(z)
        for (low, high), truth in zip(found, [mpmath.gamma(z), slope]):
            assert low <= truth * 2**200 <= high
            assert high - low <= 2**30 * (1 + abs(truth))
        box = math.evaluate(
            read("loggamma(x)"), [(math.exact(x)[0], math.exact(x + 1)[1]), (math.one, math.one), (0, 0)]
        )
        for k in range(11):
            t = z + mpmath.mpf(k) / 10
            for (low, high), truth in zip(box, [mpmath.loggamma(t), mpmath.digamma(t), mpmath.polygamma(1, t) / 2]):
                assert low <= truth * 2**200 <= high


def test_the_taylor_models_of_the_verifier_bound_the_error_and_its_derivatives() -> None:
    math = Arithmetic(250, time.monotonic() + 60)
    sides = [[Fraction(c) for c in side] for side in ([1, 2, 0, 1], [2, 1, 5, 0, 7])]
    rng = random.Random(5)
    for weight in ("1", "1 + x^2"):
        for slopes in (0, 1):
            curve = Curve(math, [read("exp(sin(x))"), read(weight)], sides, 12, slopes)
            for _ in range(6):
                at, half = Fraction(rng.randrange(-99, 99), 100), Fraction(1, rng.randrange(5, 60))
                h = math.exact(half)[1]
                points, rest = curve.model(math.exact(at), h)
                sizes = [max(map(abs, c)) for c in (*points, rest[0])]
                for k in range(-4, 5):
                    value = curve.at(at + half * k / 4)[0]
                    scaled = [low * h >> 250 if slopes else low for low in value]
                    assert max(map(abs, scaled)) <= sum(sizes) + 2


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "erf", "sin", "atan"])
def test_elementary_functions_enclose_the_truth(name: str) -> None:
    rng = random.Random(name)
    math = Arithmetic(200, time.monotonic() + 60)
    with mpmath.workprec(600):
        for _ in range(60):
            x = rng.randrange(1, 2**210) if name in ("log", "sqrt") else rng.randrange(-(2**204), 2**204)
            x >>= rng.randrange(0, 200)
            low, high = getattr(math, name)(max(x, 1) if name in ("log", "sqrt") else x)
            truth = getattr(mpmath, name)(mpmath.mpf(max(x, 1) if name in ("log", "sqrt") else x) / 2**200)
            assert low <= truth * 2**200 <= high
            assert high - low <= 4 + abs(truth) * 2**10


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("tanh(x)", mpmath.tanh),
        ("sigmoid(2*x) * x", lambda x: x / (1 + mpmath.exp(-2 * x))),
        ("softplus(x) / (1 + x^2)", lambda x: mpmath.log1p(mpmath.exp(x)) / (1 + x * x)),
        ("sqrt(x + 2) - erfc(x)", lambda x: mpmath.sqrt(x + 2) - mpmath.erfc(x)),
        ("x / 2 * (1 + erf(x / sqrt(2)))", lambda x: x / 2 * (1 + mpmath.erf(x / mpmath.sqrt(2)))),
        ("sin(3*x) - cos(x) * atan(x)", lambda x: mpmath.sin(3 * x) - mpmath.cos(x) * mpmath.atan(x)),
        ("2^x - log1p(x^2) + cosh(x) * expm1(-x)", None),
    ],
)
def test_taylor_coefficients_enclose_the_truth(text: str, function: Any) -> None:
    math = Arithmetic(250, time.monotonic() + 60)
    if function is None:
        function = lambda x: 2**x - mpmath.log1p(x * x) + mpmath.cosh(x) * mpmath.expm1(-x)  # noqa: E731
    for at in (Fraction(-3, 4), Fraction(1, 8), Fraction(5, 3)):
        u = [math.exact(at), (math.one, math.one)] + [(0, 0)] * 6
        found = math.evaluate(read(text), u)
        with mpmath.workdps(90):
            truth = mpmath.taylor(function, mpmath.mpf(at.numerator) / at.denominator, 5)
            for (low, high), value in zip(found, truth):
                scale = mpmath.mpf(2) ** 250
                assert low / scale - 1e-28 <= value <= high / scale + 1e-28  # mpmath.taylor differentiates numerically
                assert high - low < 2**40


@pytest.mark.parametrize(
    ("text", "domain"), [("(1+x)/(2+x)", (-1, 1)), ("x/(1+x^2)^2", (0, "inf")), ("(x^3+1)/(x^2+3) - x/(4+x)", (-1, 1))]
)
def test_an_error_of_zero_is_confirmed_and_a_tiny_one_is_not_zero(text: str, domain: Any) -> None:
    """The rational against itself: exact, for enclosures never show a zero."""
    certificate = certify(fit(text, (4, 4), domain))
    assert certificate.upper == 0
    content = document(certificate)
    assert verify_document(content).ok
    other = content | {"target": content["target"] | {"expression": f"{text} + 1e-30*x"}}
    found = verify_document(hashed(other))
    assert found.outcome == "not decided"
    assert "not seen to be the rational itself" in found.failures[0]


def test_the_reference_counts_without_a_witness() -> None:
    content = document(certify(fit("exp(x)", (2, 2), (-1, 1)))) | {"lower": "0", "witness": None}
    assert verify_document(hashed(content)).ok  # a lower bound of zero shows itself
    assert not verify_document(hashed(content | {"best_lower": content["upper"]})).ok
    reference = content["references"][0]
    moved = reference | {"points": [[piece, x, -sign] for piece, x, sign in reference["points"]]}
    assert not verify_document(hashed(content | {"references": [moved]})).ok
