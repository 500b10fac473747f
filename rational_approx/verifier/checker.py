"""Check a certificate file again: read it, judge every statement in it, and say what was not checked.

Statements are judged with the precision that their bounds ask for, and those that stay open once more with twice as
much. The page on semantics says what each of them means.
"""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from . import composite, counted, fixed, kernel
from .enclosed import Enclosed
from .expressed import Expressed
from .fixed import Fixed
from .reading import Failure, Late, Refuted, must, need, number, read, shown
from .samples import Samples
from .stated import Stated
from .tried import Tried

__all__ = ["Statement", "Verification", "verify"]

SECONDS = 8.0
LARGEST = 8 * 2**20
SCHEMAS = ("rational-approx/certificate/2", "rational-approx/certificate/1")
KEYS = {"schema", "target", "rational", "type", "status", "reason", "lower", "upper", "best_lower", "pole_free"}
KEYS |= {"witness", "parts", "claims", "value", "made_with", "hash"}
OWN_KEYS = ({"competitors", "references"}, {"about", "reference"})
"""What each schema has beside."""
RATIONAL_KEYS = {"basis", "format", "domain", "numerator", "denominator", "support"}
EXPRESSION_KEYS, SAMPLES_KEYS = {"expression", "weight", "domain", "breakpoints"}, {"samples", "domain"}
MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError)
ORDER = ("refuted", "not decided", "verified")


class Statement(NamedTuple):
    """A sentence, how it is proved, what became of it, and why where it is not verified."""

    text: str
    proof: str
    outcome: str
    reason: str = ""


class Verification(NamedTuple):
    """The outcome (``verified``, ``refuted`` or ``not decided``), what the file is about, each statement, and the rest.

    ``failures`` has one sentence for each thing that was not verified, ``unchecked`` what the file holds beside.
    """

    outcome: str
    failures: tuple[str, ...]
    heading: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every statement is verified."""
        return self.outcome == "verified"

    def __str__(self) -> str:
        lines = list(self.heading)
        for each in self.statements:
            lines.append(f"{each.outcome:12}{each.text}  [{each.proof}]")
        lines += [f"not checked {line}" for line in self.unchecked] if self.statements else []
        return "\n".join([*lines, *(f"- {failure}" for failure in self.failures), self.outcome])

    def to_json(self) -> dict[str, Any]:
        """The same as plain values, for machines."""
        return {
            "outcome": self.outcome,
            "failures": list(self.failures),
            "about": list(self.heading),
            "statements": [each._asdict() for each in self.statements],
            "unchecked": list(self.unchecked),
        }


def verify(source: Any, seconds: float = SECONDS) -> Verification:
    """Check a certificate: the path of a JSON file, or the document as a dictionary. Never raises for what is in it.

    What could not be confirmed within ``seconds`` is not decided.

    Raises
    ------
    FileNotFoundError
        where there is no such file.
    """
    deadline = time.monotonic() + seconds
    path = None if isinstance(source, dict) else Path(source)
    if path is not None and not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    found: list[Verification] = []

    def judge() -> None:
        content = source if path is None else read_file(path)
        schema = content.get("schema") if isinstance(content, dict) else None
        of_code = schema in (*kernel.SCHEMAS, fixed.SCHEMA, counted.SCHEMA, *composite.SCHEMAS)
        found.append(judged_code(content, deadline) if of_code else judged(normal(content), deadline))

    became, reason = outcome(judge)
    return found[0] if found else Verification(became, (reason,))


def judged(content: dict[str, Any], deadline: float) -> Verification:
    """Every statement with its outcome."""
    kind = Samples if "samples" in content["target"] else Expressed
    known: dict[int, Statement] = {}
    heading: list[str] = []
    for fine in (1, 2):
        try:
            case: Stated = kind(content, fine, deadline)
            heading, statements = case.heading(), list(case.statements())
        except (Failure, Late):
            if not known:
                raise
            break  # the finer look cannot be had
        for index, (words, proof, check) in enumerate(statements):
            if index not in known or known[index].outcome == "not decided":
                known[index] = Statement(words, proof, *outcome(check))
        if all(each.outcome != "not decided" for each in known.values()):
            break
    found = tuple(known[index] for index in sorted(known))
    worst = min((each.outcome for each in found), key=ORDER.index)
    failures = tuple(f"{each.outcome}: {each.text}: {each.reason}" for each in found if each.outcome != "verified")
    return Verification(worst, failures, (*heading, content["hash"]), found, tuple(unchecked(content)))


def judged_code(content: dict[str, Any], deadline: float) -> Verification:
    """The same for code at every number of a format."""
    unchanged(content)
    case: Fixed | Tried | Enclosed | composite.Composite | counted.Counted
    if content["schema"] == fixed.SCHEMA:
        case = Fixed(content, deadline)
    elif content["schema"] in composite.SCHEMAS:
        case = composite.Composite(content, deadline)
    elif content["schema"] == counted.SCHEMA:
        must(content["implementation"].get("schema") in kernel.SCHEMAS, "what was counted is no code")
        unchanged(content["implementation"])
        case = counted.Counted(content, judged_kernel(content["implementation"], deadline), deadline)
    else:
        case = judged_kernel(content, deadline)
    found = tuple(Statement(words, proof, *outcome(check)) for words, proof, check in case.statements())
    worst = min((each.outcome for each in found), key=ORDER.index)
    failures = tuple(f"{each.outcome}: {each.text}: {each.reason}" for each in found if each.outcome != "verified")
    return Verification(worst, failures, (*case.heading(), content["hash"]), found, case.unchecked)


def judged_kernel(content: dict[str, Any], deadline: float) -> Tried | Enclosed:
    """The statements about floating-point code."""
    full = kernel.normal(content)
    return (Tried if full["format"] in ("bfloat16", "float16") else Enclosed)(full, deadline)


def outcome(check: Callable[[], None]) -> tuple[str, str]:
    """What becomes of one statement or of the whole file, and why."""
    try:
        check()
    except Refuted as problem:
        return "refuted", str(problem)
    except (Failure, Late) as problem:
        return "not decided", str(problem)
    except (RecursionError, MemoryError):
        return "not decided", "the certificate is too large for the verifier"
    except MALFORMED as problem:
        return "refuted", f"the certificate is malformed: {type(problem).__name__}: {shown(problem, 100)}"
    return "verified", ""


def unchecked(content: dict[str, Any]) -> list[str]:
    """What the file holds that no statement rests on."""
    made = ", ".join(f"{shown(name)} {shown(version)}" for name, version in content["made_with"].items())
    out = [f"made_with: {made}"] if made else []
    if content["rational"]["support"]:
        out.append("support: points that help to evaluate r in floating point")
    return out


def normal(content: Any) -> dict[str, Any]:
    """The document, checked as a whole, in the form of schema 2."""
    must(isinstance(content, dict), "the file holds no certificate")
    schema = content.get("schema")
    must(schema in SCHEMAS, f"the schema is {shown(schema)!r} and not {SCHEMAS[0]}")
    old = schema == SCHEMAS[1]
    unchanged(content)
    must(content["reason"] == "", "the certificate gives a reason against itself")
    target = content["target"]
    has_samples = isinstance(target, dict) and "samples" in target
    wanted = SAMPLES_KEYS | (EXPRESSION_KEYS if old else set()) if has_samples else EXPRESSION_KEYS
    for part, keys in ((content, KEYS | OWN_KEYS[old]), (target, wanted), (content["rational"], RATIONAL_KEYS)):
        must(isinstance(part, dict), "a part of the certificate is no object")
        more, less = sorted(map(str, set(part) - keys)), sorted(keys - set(part))
        must(not more, f"the certificate says more than can be checked: {shown(', '.join(more))}")
        must(not less, f"the certificate lacks {', '.join(less)}")
    must(isinstance(content["rational"]["support"], list), "the support is no list")
    for point in content["rational"]["support"]:
        number(point)
    must(isinstance(content["made_with"], dict), "made_with is no object")
    return from_schema_1(content) if old else content


def unchanged(content: dict[str, Any]) -> None:
    """That a document is as it was written, and says itself that it is proved."""
    kept = {key: value for key, value in content.items() if key != "hash"}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    digest = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    must(content.get("hash") == digest, "the hash does not fit the content: the file was changed after it was written")
    must(content["status"] in ("proved", "refuted", "undecided", "sampled"), "the status is not known")
    need(content["status"] == "proved", f"the certificate itself says {shown(content['status'])}, not proved")


def from_schema_1(content: dict[str, Any]) -> dict[str, Any]:
    """A certificate of schema 1 as one of schema 2.

    Its ``best_lower`` was said of every rational without a pole on the domain. That is proved only on one interval,
    with a weight that has no zero inside.
    """
    target = dict(content["target"])
    for key, value in content["about"].items():
        must(key in ("lower", "upper", "best_lower"), "the certificate says more than can be checked: about")
        exact = number(content[key])
        near = value is None or abs(float(value) - float(exact)) <= 1e-12 * abs(float(exact))
        must(near, f"the decimal about {shown(key)} is not the number")
    if "samples" in target:
        names = {"expression": {f"{len(target['samples'])} samples"}, "weight": {"1", "samples"}, "breakpoints": ([],)}
        for key, allowed in names.items():
            must(target.pop(key) in allowed, f"a certificate of samples is about no {key}")
    if number(content["best_lower"]) > 0:
        whole = len(target["domain"]) == 1 and "samples" not in target and read(target["weight"])[0] == "number"
        need(whole, "schema 1 does not say against which competitors best_lower holds: certify the rational again")
    parts = []
    for piece, a, b, how in content["parts"]:
        must(how in ("bound", "monotone", "curved"), "a part is closed by an unknown argument")
        parts.append([piece, a, b])
    points = content["reference"]
    references = [{"signs": [1] * len(target["domain"]), "points": points}] if points else []
    if number(content["best_lower"]) == 0:
        references = []
    more = {"target": target, "parts": [] if "samples" in target else parts, "references": references}
    return {**content, **more, "competitors": "one sign"}


def read_file(path: Path) -> Any:
    """The JSON document of a file."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        must(len(dict(pairs)) == len(pairs), "a key occurs twice")
        return dict(pairs)

    def refused(name: str) -> Any:
        raise Refuted(f"{name} is not a number")

    need(path.stat().st_size <= LARGEST, f"the file is larger than {LARGEST} bytes")
    return json.loads(path.read_bytes(), object_pairs_hook=unique, parse_constant=refused)
