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
from rational_approx.certify import certify
from rational_approx.documents import canonical_hash, document, number_text, read_number
from rational_approx.storage import verify
from rational_approx.verify import verify as verify_document
from rational_approx.verify_arithmetic import Arithmetic
from rational_approx.verify_reading import read

FILES = sorted(path.name for path in Path(verify_document.__code__.co_filename).parent.glob("verify*.py"))
QUESTIONS: dict[str, Any] = {
    "relu": ("relu", (3, 2), {}),
    "exp": ("exp(x)", (4, 4), {"domain": (-1, 1)}),
    "weighted": ("exp(x)", (3, 2), {"domain": (-1, 1), "weight": "1 + x^2"}),
    "relative": ("exp(x)", (3, 3), {"domain": (-1, 1), "weight": "relative"}),
    "gelu": ("gelu", (6, 6), {}),
    "softplus": ("softplus", (5, 4), {}),
    "sign": ("sign", (5, 4), {}),
    "elu": ("elu", (4, 3), {}),
    "sqrt": ("sqrt(x)", (3, 3), {"domain": (0, 1)}),
    "half_line": ("exp(-x)", (3, 3), {"domain": (0, "inf")}),
    "hardswish": ("hardswish", (7, 6), {}),
}


@pytest.fixture(scope="module")
def certificates() -> dict[str, dict[str, Any]]:
    claims = [("range", -100, 100), ("lipschitz", 1000), ("error", 1)]
    made = {}
    for name, (target, degree, options) in QUESTIONS.items():
        certificate = certify(fit(target, degree, **options), claims=claims if name in ("relu", "exp") else ())
        made[name] = document(certificate)
    return made


def changed(content: dict[str, Any]) -> dict[str, Any]:
    """The document with its hash computed again."""
    return content | {"hash": canonical_hash(content)}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_true_is_confirmed_quickly(certificates: dict[str, Any], name: str) -> None:
    start = time.perf_counter()
    assert verify_document(certificates[name]) == (True, ())
    assert time.perf_counter() - start < 5


def test_a_certificate_a_file_and_the_command_agree(tmp_path: Path) -> None:
    certificate = certify(fit("exp(x)", (2, 2), (-1, 1)))
    assert verify(certificate).ok
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(document(certificate)))
    assert verify(path).ok
    home = Path(verify_document.__code__.co_filename).parent
    for name in FILES:
        shutil.copy(home / name, tmp_path)
    command = [sys.executable, "-S", "verify.py", path.name]  # -S: no installed package is in reach
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "confirmed\n")
    path.write_text(path.read_text().replace("exp(x)", "exp(x) + x"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "hash" in done.stdout
    with pytest.raises(FileNotFoundError, match="no file"):
        verify(tmp_path / "none.json")


def test_it_imports_nothing_of_the_package() -> None:
    home = Path(verify_document.__code__.co_filename).parent
    known = {*sys.stdlib_module_names, *(name.removesuffix(".py") for name in FILES), "rational_approx"}
    for name in FILES:
        text = (home / name).read_text()
        for line in re.findall(r"^\s*(?:from|import) .*$", text, re.MULTILINE):
            assert line.split()[1].split(".")[0] in known
            assert "rational_approx" not in line or "verify_" in line


# -- changes, each with the hash computed again ----------------------------------------------------------------------


def bit_of_a_coefficient(content: dict[str, Any], rng: random.Random) -> None:
    side = content["rational"][rng.choice(["numerator", "denominator"])]
    k = rng.choice([k for k, text in enumerate(side) if text != "0"])
    dyadic = re.fullmatch(r"(-?)0x([0-9a-f]+)p(.*)", side[k])
    if dyadic is None:
        side[k] = number_text(read_number(side[k]) + Fraction(1, 2 ** rng.randrange(1, 200)))
        return
    bits = int(dyadic[2], 16)
    side[k] = f"{dyadic[1]}0x{bits ^ (1 << rng.randrange(bits.bit_length())):x}p{dyadic[3]}"


def dropped_part(content: dict[str, Any], rng: random.Random) -> None:
    del content["parts"][rng.randrange(len(content["parts"]))]


def shifted_part(content: dict[str, Any], rng: random.Random) -> None:
    part = rng.choice([part for part in content["parts"] if "inf" not in part])
    k = rng.choice([1, 2])
    part[k] = number_text(read_number(part[k]) + Fraction(rng.choice([-1, 1]), 2 ** rng.randrange(5, 100)))


def swapped_sign(content: dict[str, Any], rng: random.Random) -> None:
    point = rng.choice(content["reference"])
    point[2] = -point[2]


def moved_point(content: dict[str, Any], rng: random.Random) -> None:
    point = rng.choice([point for point in content["reference"] if point[1] != "inf"])
    point[1] = number_text(read_number(point[1]) + Fraction(rng.choice([-1, 1]), 50))


def lowered_upper_bound(content: dict[str, Any], rng: random.Random) -> None:
    content["upper"] = number_text(read_number(content["upper"]) * (1 - Fraction(1, 10 ** rng.randrange(1, 10))))


def raised_lower_bound(content: dict[str, Any], rng: random.Random) -> None:
    key = rng.choice(["lower", "best_lower"])
    content[key] = number_text(read_number(content[key]) * (1 + Fraction(1, 10 ** rng.randrange(1, 10))))


def edited_expression(content: dict[str, Any], rng: random.Random) -> None:
    target = content["target"]
    target["expression"] = rng.choice(["{} + 1e-7", "({}) * 1.0000001", "x + {}", "-({})", "1"]).format(
        target["expression"]
    )


def edited_weight(content: dict[str, Any], rng: random.Random) -> None:
    content["target"]["weight"] = rng.choice(["{} + 1e-7", "({}) * 1.0000001", "-({})"]).format(
        content["target"]["weight"]
    )


def larger_type(content: dict[str, Any], rng: random.Random) -> None:
    content["type"][0] += 1
    content["type"][1] += rng.randrange(2)


def wider_domain(content: dict[str, Any], rng: random.Random) -> None:
    first = content["target"]["domain"][0]
    first[0] = number_text(read_number(first[0]) - Fraction(1, 2 ** rng.randrange(1, 40)))


CHANGES: list[Callable[[dict[str, Any], random.Random], None]] = [
    *(bit_of_a_coefficient, dropped_part, shifted_part, swapped_sign, moved_point, lowered_upper_bound),
    *(raised_lower_bound, edited_expression, edited_weight, larger_type, wider_domain),
]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_certificates_are_rejected(certificates: dict[str, Any], change: Callable[..., None]) -> None:
    rng = random.Random(change.__name__)
    for name in ("relu", "exp", "weighted", "sign", "elu", "half_line"):
        content = copy.deepcopy(certificates[name])
        change(content, rng)
        outcome = verify_document(changed(content))
        assert not outcome.ok, (name, change.__name__)
        assert outcome.failures


@pytest.mark.slow
def test_500_changed_certificates_are_rejected(certificates: dict[str, Any]) -> None:
    rng = random.Random(500)
    for _ in range(500):
        content = copy.deepcopy(certificates[rng.choice(list(certificates))])
        change = rng.choice(CHANGES)
        change(content, rng)
        assert not verify_document(changed(content)).ok, change.__name__


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "not a dictionary": lambda d: [d],
    "empty": lambda d: {},
    "huge integer": lambda d: d | {"upper": "9" * 4000 + "/1"},
    "huge exponent": lambda d: d | {"upper": "0x1p19999"},
    "tiny upper bound": lambda d: d | {"upper": "0x1p-19999"},
    "power tower": lambda d: d | {"target": d["target"] | {"expression": "9^9^9^9"}},
    "large powers": lambda d: d | {"target": d["target"] | {"expression": "*".join(["x^64"] * 1500)}},
    "deep expression": lambda d: d | {"target": d["target"] | {"expression": "(" * 4000 + "x" + ")" * 4000}},
    "deep signs": lambda d: d | {"target": d["target"] | {"expression": "-" * 9000 + "x"}},
    "import": lambda d: d | {"target": d["target"] | {"expression": "__import__('os').system('true')"}},
    "attribute": lambda d: d | {"target": d["target"] | {"expression": "x.__class__"}},
    "unknown function": lambda d: d | {"target": d["target"] | {"expression": "open(x)"}},
    "many parts": lambda d: d | {"parts": d["parts"] * 20_000},
    "parts of no piece": lambda d: d | {"parts": [[99, "0", "1", "bound"]]},
    "negative piece": lambda d: d | {"witness": [-1, "0"]},
    "text for a list": lambda d: d | {"parts": "parts"},
    "null": lambda d: d | {"rational": None},
    "many coefficients": lambda d: d | {"rational": d["rational"] | {"numerator": ["1/3"] * 100_000}},
    "zero denominator": lambda d: d | {"rational": d["rational"] | {"denominator": ["0"]}},
    "many breakpoints": lambda d: d | {"target": d["target"] | {"breakpoints": [f"{k}/99999" for k in range(9999)]}},
    "claims of another form": lambda d: d | {"claims": [{"name": ["range"], "arguments": {}, "status": "proved"}]},
    "infinite witness": lambda d: d | {"witness": [0, "inf"]},
    "a type of floats": lambda d: d | {"type": [1.5, 2.5]},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_certificates_are_rejected_without_an_exception(certificates: dict[str, Any], kind: str) -> None:
    content = HOSTILE[kind](copy.deepcopy(certificates["exp"]))
    start = time.perf_counter()
    content = changed(content) if isinstance(content, dict) else {"schema": content}
    outcome = verify_document(content)
    assert not outcome.ok
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("text", ["", "[" * 500_000, '{"a": NaN}', '{"a": 1, "a": 2}', "[1]", "1" * 9000, "\x80"])
def test_hostile_files_are_rejected_without_an_exception(tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.json"
    path.write_bytes(text.encode("latin-1"))
    assert not verify(path).ok


# -- its arithmetic against mpmath -----------------------------------------------------------------------------------


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
