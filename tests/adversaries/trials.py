"""One problem after the other, through the prover and through the verifier, as black boxes."""

import contextlib
import inspect
import random
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from typing import Any

from rational_approx import Domain, Rational, Target, certify
from rational_approx.documents import document as written
from rational_approx.verifier import verify

from tests.adversaries.families import Posed, posed
from tests.adversaries.files import Malformed, NoOpinion, document, statement_of
from tests.adversaries.mutated import mutated
from tests.adversaries.refuter import Counterexample, Statement, refute, refute_claim
from tests.adversaries.statements import Made, claims, made, sampled, variants

__all__ = ["Answer", "trial"]

SECONDS = 1.5
LATE = 30.0
ANY_SIGN = "competitors" in inspect.signature(certify).parameters


@dataclass(frozen=True)
class Answer:
    """What became of one statement."""

    family: str
    route: str
    what: str
    truth: str
    """``true``, ``false`` (shown so by the refuter), or ``open``."""
    said: str
    """``yes`` (proved, verified), ``no`` (refuted), ``undecided``, ``late`` or ``crash``."""
    detail: str = ""

    @property
    def wrong(self) -> bool:
        """Whether a false statement passed, or something happened that must not."""
        return (self.truth == "false" and self.said == "yes") or self.said in ("late", "crash")


class _Late(Exception):
    pass


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def trial(seed: int, index: int, schema: int = 1) -> list[Answer]:
    """Every statement about the problem with this number."""
    draw = random.Random(f"{seed}/{index}/third opinion")
    if draw.random() < 0.07:
        return _of_samples(draw, schema)
    one = made(draw, posed(draw))
    out, written_by_prover = _prover(draw, one)
    for what, truth, stated in variants(draw, one, draw.choice((2, 3, 4))):
        out.append(_verified(one.posed.family, what, truth, stated, schema))
    if written_by_prover is None or draw.random() < 0.3:
        base = replace(one.base, upper=Fraction(10**9)) if one.top is None or one.top.size > 10**9 else replace(one.base, upper=Fraction(int(one.top.size) + 1))
        written_by_prover = document(replace(base, claims=(("range", -inf, inf),)), schema)
    if draw.random() < 0.5:
        for _ in range(draw.choice((1, 2, 3))):
            out += _mutation(draw, one.posed.family, written_by_prover)
    return out


# -- the prover --------------------------------------------------------------------------------------------------------


def _shown(stated: Statement, found: Any = None) -> str:
    weight = "" if stated.weight == "1" else f" weight {stated.weight}"
    breaks = f" breaks {[str(b) for b in stated.breakpoints]}" if stated.breakpoints else ""
    sides = "/".join(str([str(c)[:40] for c in side]) for side in (stated.numerator, stated.denominator))
    target = f"samples {[[str(v) for v in s] for s in stated.samples]}" if stated.samples is not None else stated.expression
    domain = ",".join(f"[{a},{b}]" for a, b in stated.domain)
    bounds = f"upper {_short(stated.upper)} lower {_short(stated.lower)} best {_short(stated.best_lower)} type {stated.type}"
    return f"{target}{weight} on {domain}{breaks}; {stated.basis} {sides}; {bounds} claims {_claims(stated.claims)}; {found or ''}"[:900]


def _claims(stated: Any) -> str:
    return str([tuple(a if isinstance(a, str) else _short(a) for a in claim) for claim in stated])


def _short(x: Any) -> str:
    if x is None:
        return "none"
    try:
        return f"{float(x):.13g}"
    except OverflowError:
        return "huge"


def _prover(draw: random.Random, one: Made) -> tuple[list[Answer], Any]:
    """The target and claims to the prover; the answers, and its file where it wrote one."""
    base, family = one.base, one.posed.family
    asked = claims(draw, one, draw.choice((2, 4, 5)))
    try:
        with _limited(LATE):
            rational = Rational(base.numerator, base.denominator, Domain.of(list(base.hull)), base.basis)
            target = Target(one.posed.expression, list(base.domain), weight=one.posed.weight, breakpoints=one.posed.breakpoints)
    except (ValueError, TypeError):
        said = "refused"
        truth = "false" if one.meant.undefined else "open" if one.meant.doubt else "true"
        return [Answer(family, "prover", "target", truth, said)], None
    except _Late:
        return [Answer(family, "prover", "target", "open", "late", _shown(base))], None
    except Exception:
        return [Answer(family, "prover", "target", "open", "crash", _shown(base, traceback.format_exc()[-300:]))], None
    try:
        with _limited(LATE):
            certificate = certify(rational, target, claims=[claim for claim, _, _ in asked])
    except _Late:
        return [Answer(family, "prover", "certify", "open", "late", _shown(base))], None
    except Exception:
        return [Answer(family, "prover", "certify", "open", "crash", _shown(base, traceback.format_exc()[-300:]))], None
    out = []
    for (claim, what, good), answer in zip(asked, certificate.claims):
        said = {"proved": "yes", "refuted": "no"}.get(answer.status, "undecided")
        detail = _shown(replace(base, claims=(claim,))) if (not good and said == "yes") or (good and said == "no") else ""
        out.append(Answer(family, "prover", what, "true" if good else "false", said, detail))
    out.append(_bounds(draw, one, certificate))
    if certificate.status != "proved":
        return out, None
    try:
        return out, written(certificate)
    except Exception:
        return [*out, Answer(family, "prover", "document", "open", "crash", traceback.format_exc()[-300:])], None


def _bounds(draw: random.Random, one: Made, certificate: Any) -> Answer:
    """The prover's own bounds against the refuter."""
    family = one.posed.family
    said = "yes" if certificate.status == "proved" or certificate.upper is not None else "undecided"
    if one.meant.undefined:
        said = "yes" if certificate.status == "proved" else "undecided"
        detail = _shown(one.base, one.meant.undefined) if said == "yes" else ""
        return Answer(family, "prover", "undefined", "false", said, detail)
    if certificate.pole_free is False:
        found = refute(replace(one.base, upper=None))
        truth = "true" if found is not None and found.what == "pole" else "false"
        return Answer(family, "prover", "a pole", truth, "yes", "" if truth == "true" else _shown(one.base, "no pole"))
    stated = replace(
        one.base,
        upper=certificate.upper,
        lower=certificate.lower,
        best_lower=certificate.best_lower or Fraction(0),
        type=tuple(certificate.type),
    )
    found = refute(stated, deep=bool(stated.best_lower) and draw.random() < 0.1)
    if said == "undecided":
        return Answer(family, "prover", "bounds", "open" if one.meant.doubt else "true", said)
    truth = "false" if found is not None else "open" if one.meant.doubt else "true"
    return Answer(family, "prover", "bounds", truth, said, _shown(stated, found) if found else "")


# -- the verifier ------------------------------------------------------------------------------------------------------


def _ask(content: Any) -> tuple[str, str]:
    start = time.monotonic()
    try:
        with _limited(LATE):
            found = verify(content, SECONDS)
    except _Late:
        return "late", "more than 30 s"
    except Exception:
        return "crash", traceback.format_exc()[-300:]
    if time.monotonic() - start > 3 * SECONDS:
        return "late", f"{time.monotonic() - start:.1f} s"
    outcome = str(getattr(found, "outcome", ""))
    return ("yes" if found.ok else "no" if outcome == "refuted" else "undecided"), "; ".join(found.failures)[:200]


def _verified(family: str, what: str, truth: bool, stated: Statement, schema: int) -> Answer:
    """A fabricated file to the verifier; a false one only counts when the refuter shows it."""
    said, why = _ask(document(stated, schema))
    shown = refute(stated)
    if truth:
        kind = "false" if shown is not None else "true"
        detail = _shown(stated, shown if shown is not None else why) if said in ("late", "crash") or shown is not None else why
        return Answer(family, "verifier", what, kind, said, detail)
    if shown is None:
        return Answer(family, "verifier", what, "open", said, why if said in ("late", "crash") else "")
    return Answer(family, "verifier", what, "false", said, _shown(stated, shown) if said != "undecided" else "")


def _mutation(draw: random.Random, family: str, original: dict[str, Any]) -> list[Answer]:
    what, content = mutated(draw, original)
    if what == "not JSON":
        return []
    found: Any
    try:
        stated = statement_of(content)
        found = refute(stated)
    except Malformed as problem:
        found = Counterexample("malformed", None, str(problem))
        stated = None
    except NoOpinion:
        return []
    said, why = _ask(content)
    truth = "false" if found is not None else "open"
    detail = why
    if (truth == "false" and said == "yes") or said in ("late", "crash"):
        detail = f"{what}: {_shown(stated, found) if stated is not None else found} {why}"
    return [Answer(family, "mutated file", what, truth, said, detail)]


def _of_samples(draw: random.Random, schema: int) -> list[Answer]:
    base, stated = sampled(draw)
    out = []
    for what, truth, one in stated:
        if what.startswith("reference"):
            shown = refute(one, deep=True)
            said, why = _ask(document(one, schema))
            kind = "false" if shown is not None else "open"
            out.append(Answer("samples", "verifier", what, kind, said, _shown(one, shown) if shown and said == "yes" else why))
        else:
            out.append(_verified("samples", what, truth, one, schema))
        if draw.random() < 0.3:
            out += _mutation(draw, "samples", document(one, schema))
    return out + _samples_prover(draw, base)


def _samples_prover(draw: random.Random, base: Statement) -> list[Answer]:
    rows = base.samples or ()
    try:
        with _limited(LATE):
            rational = Rational(base.numerator, base.denominator, Domain.of(list(base.hull)), base.basis)
            xs, ys, ws = ([row[k] for row in rows] for k in range(3))
            floats = [[float(v) for v in column] for column in (xs, ys, ws)]
            target = Target((floats[0], floats[1]), list(base.domain), weight=floats[2])
            certificate = certify(rational, target)
    except (ValueError, TypeError):
        return [Answer("samples", "prover", "target", "open", "refused")]
    except _Late:
        return [Answer("samples", "prover", "certify", "open", "late", _shown(base))]
    except Exception:
        return [Answer("samples", "prover", "certify", "open", "crash", _shown(base, traceback.format_exc()[-300:]))]
    if certificate.upper is None:
        return [Answer("samples", "prover", "bounds", "true", "undecided")]
    stated = replace(
        base,
        samples=tuple(certificate.samples),
        upper=certificate.upper,
        lower=certificate.lower,
        best_lower=certificate.best_lower or Fraction(0),
        witness=None,
    )
    found = refute(stated, deep=True)
    return [Answer("samples", "prover", "bounds", "false" if found else "true", "yes", _shown(stated, found) if found else "")]
