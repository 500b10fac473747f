"""One problem after the other, through the prover and through the verifier, as black boxes."""

import contextlib
import inspect
import random
import traceback
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import inf
from typing import Any

from rational_approx import Domain, Rational, Target, certify
from rational_approx.shipping.documents import document as written
from tests.adversaries.third_opinion.asked import Late, ask, limited
from tests.adversaries.third_opinion.claims import claims
from tests.adversaries.third_opinion.error import error_at
from tests.adversaries.third_opinion.error import made as made_peak
from tests.adversaries.third_opinion.families import posed
from tests.adversaries.third_opinion.files import Malformed, NoOpinion, document, statement_of
from tests.adversaries.third_opinion.mutated import mutated
from tests.adversaries.third_opinion.rationals import Made, made
from tests.adversaries.third_opinion.refuter import Counterexample, Statement, above, refute
from tests.adversaries.third_opinion.samples import sampled
from tests.adversaries.third_opinion.shown import shown
from tests.adversaries.third_opinion.slopes import slope_error
from tests.adversaries.third_opinion.statements import variants
from tests.adversaries.third_opinion.values import Unsure

__all__ = ["Answer", "trial"]

LATE = 6.0
"""Processor seconds after which the prover is stopped: it promises no time, and one answer is not worth more."""
ANY_SIGN = "competitors" in inspect.signature(certify).parameters


@cache
def _knows_formats() -> bool:
    """Whether the prover takes claims about the format of the coefficients."""
    one = (Fraction(1),)
    rational = Rational(one, one, Domain.of((0, 1)), "monomial")
    try:
        certify(rational, Target("x", (0, 1)), claims=[("format", "float64")])
    except ValueError:
        return False
    return True


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
        late = self.said == "late" and self.route != "prover"
        return (self.truth == "false" and self.said == "yes") or late or self.said == "crash"


@cache
def current_schema() -> int:
    """The schema that the prover writes today."""
    one = (Fraction(1),)
    content = written(certify(Rational(one, one, Domain.of((0, 1)), "monomial"), Target("x", (0, 1))))
    return int(str(content["schema"]).rsplit("/", 1)[1])


def trial(seed: int, index: int, schema: int = 0) -> list[Answer]:
    """Every statement about the problem with this number; 0 is the schema that the prover writes."""
    schema = schema or current_schema()
    draw = random.Random(f"{seed}/{index}/third opinion")
    if draw.random() < 0.07:
        return _of_samples(draw, schema)
    one = made(draw, posed(draw))
    out, written_by_prover = _prover(draw, one)
    for what, truth, stated in variants(draw, one, draw.choice((2, 3, 4)), schema):
        out.append(_verified(one.posed.family, what, truth, stated, schema))
    if written_by_prover is None or draw.random() < 0.3:
        base = (
            replace(one.base, upper=Fraction(10**9))
            if one.top is None or one.top.size > 10**9
            else replace(one.base, upper=Fraction(int(one.top.size) + 1))
        )
        written_by_prover = document(replace(base, claims=(("range", -inf, inf),)), schema)
    if draw.random() < 0.5:
        for _ in range(draw.choice((1, 2, 3))):
            out += _mutation(draw, one.posed.family, written_by_prover)
    return out


# -- the prover --------------------------------------------------------------------------------------------------------


def _prover(draw: random.Random, one: Made) -> tuple[list[Answer], Any]:
    """The target and claims to the prover; the answers, and its file where it wrote one."""
    base, family = one.base, one.posed.family
    asked = claims(draw, one, draw.choice((2, 4, 5)), None, _knows_formats())
    more = {}
    if ANY_SIGN and draw.random() < 0.3:
        base, more = replace(base, competitors="any sign"), {"competitors": "any sign"}
    try:
        with limited(LATE):
            rational = Rational(base.numerator, base.denominator, Domain.of(list(base.hull)), base.basis)
            target = Target(
                one.posed.expression, list(base.domain), weight=one.posed.weight, breakpoints=one.posed.breakpoints
            )
    except (ValueError, TypeError):
        said = "refused"
        truth = "false" if one.meant.undefined else "open" if one.meant.doubt else "true"
        return [Answer(family, "prover", "target", truth, said)], None
    except Late:
        return [Answer(family, "prover", "target", "open", "late", shown(base))], None
    except Exception:
        return [Answer(family, "prover", "target", "open", "crash", shown(base, traceback.format_exc()[-300:]))], None
    try:
        with limited(LATE):
            certificate = certify(rational, target, claims=[claim for claim, _, _ in asked], **more)
    except Late:
        return [Answer(family, "prover", "certify", "open", "late", shown(base))], None
    except Exception:
        return [Answer(family, "prover", "certify", "open", "crash", shown(base, traceback.format_exc()[-300:]))], None
    out = []
    for (claim, what, good), answer in zip(asked, certificate.claims):
        said = {"proved": "yes", "refuted": "no"}.get(answer.status, "undecided")
        detail = (
            shown(replace(base, claims=(claim,))) if (not good and said == "yes") or (good and said == "no") else ""
        )
        if good and said == "no" and _shown_false(one, claim, answer.witness):
            good = False  # a narrow peak that the search missed, and the witness shows
        out.append(Answer(family, "prover", what, "true" if good else "false", said, detail))
    out.append(_bounds(draw, replace(one, base=base), certificate))
    if certificate.status != "proved":
        return out, None
    try:
        return out, written(certificate)
    except Exception:
        return [*out, Answer(family, "prover", "document", "open", "crash", traceback.format_exc()[-300:])], None


def _shown_false(one: Made, claim: Any, x: Any) -> bool:
    """Whether a witness of the prover shows that a claim is false."""
    if not isinstance(x, Fraction) or claim[0] not in ("error", "derivative"):
        return False
    for region in one.meant.regions:
        for at in (x, x + Fraction(1, 2**100), x - Fraction(1, 2**100)):
            if region.holds(at):
                with contextlib.suppress(Unsure):
                    compute = error_at if claim[0] == "error" else slope_error
                    if above(made_peak(compute(region, one.ratio, at), at, region).size, claim[1]):
                        return True
    return False


def _bounds(draw: random.Random, one: Made, certificate: Any) -> Answer:
    """The prover's own bounds against the refuter."""
    family = one.posed.family
    said = "yes" if certificate.status == "proved" or certificate.upper is not None else "undecided"
    if one.meant.undefined:
        said = "yes" if certificate.status == "proved" else "undecided"
        detail = shown(one.base, one.meant.undefined) if said == "yes" else ""
        return Answer(family, "prover", "undefined", "false", said, detail)
    if certificate.pole_free is False:
        found = refute(replace(one.base, upper=None))
        truth = "true" if found is not None and found.what == "pole" else "false"
        return Answer(family, "prover", "a pole", truth, "yes", "" if truth == "true" else shown(one.base, "no pole"))
    stated = replace(
        one.base,
        upper=certificate.upper,
        lower=certificate.lower,
        best_lower=certificate.best_lower or Fraction(0),
        type=tuple(certificate.type),
        breakpoints=tuple(certificate.breakpoints),
        **_evidence(certificate),
    )
    found = refute(stated, deep=bool(stated.best_lower) and draw.random() < 0.1)
    if said == "undecided":
        return Answer(family, "prover", "bounds", "open" if one.meant.doubt else "true", said)
    truth = "false" if found is not None else "open" if one.meant.doubt else "true"
    return Answer(family, "prover", "bounds", truth, said, shown(stated, found) if found else "")


def _evidence(certificate: Any) -> dict[str, Any]:
    """The points that a certificate of the prover names."""
    points = [(*point[:2], 1) for point in getattr(certificate, "reference", ())]
    for reference in getattr(certificate, "references", ()):
        points += [(*point[:2], 1) for point in getattr(reference, "points", ())]
    witness = certificate.witness
    return {"references": (((1,), tuple(points)),), "witness": None if witness is None else (witness[0], witness[1])}


# -- the verifier ------------------------------------------------------------------------------------------------------


def _verified(family: str, what: str, truth: bool, stated: Statement, schema: int) -> Answer:
    """A fabricated file to the verifier; a false one only counts when the refuter shows it."""
    said, why = ask(document(stated, schema))
    found = refute(stated)
    if truth and found is None:
        return Answer(
            family, "verifier", what, "true", said, shown(stated, why) if said in ("late", "crash", "no") else why
        )
    if found is None:
        return Answer(family, "verifier", what, "open", said, shown(stated, why) if said in ("late", "crash") else "")
    return Answer(family, "verifier", what, "false", said, shown(stated, found) if said != "undecided" else "")


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
    said, why = ask(content)
    truth = "false" if found is not None else "open"
    detail = why
    if (truth == "false" and said == "yes") or said in ("late", "crash"):
        detail = f"{what}: {shown(stated, found) if stated is not None else found} {why}"
    return [Answer(family, "mutated file", what, truth, said, detail)]


def _of_samples(draw: random.Random, schema: int) -> list[Answer]:
    base, stated = sampled(draw)
    out = []
    for what, truth, one in stated:
        if what.startswith("reference"):
            found = refute(one, deep=True)
            said, why = ask(document(one, schema))
            kind = "false" if found is not None else "open"
            out.append(
                Answer("samples", "verifier", what, kind, said, shown(one, found) if found and said == "yes" else why)
            )
        else:
            out.append(_verified("samples", what, truth, one, schema))
        if draw.random() < 0.3:
            out += _mutation(draw, "samples", document(one, schema))
    return out + _samples_prover(draw, base)


def _samples_prover(draw: random.Random, base: Statement) -> list[Answer]:
    rows = base.samples or ()
    try:
        with limited(LATE):
            rational = Rational(base.numerator, base.denominator, Domain.of(list(base.hull)), base.basis)
            xs, ys, ws = ([row[k] for row in rows] for k in range(3))
            floats = [[float(v) for v in column] for column in (xs, ys, ws)]
            target = Target((floats[0], floats[1]), list(base.domain), weight=floats[2])
            certificate = certify(rational, target)
    except (ValueError, TypeError):
        return [Answer("samples", "prover", "target", "open", "refused")]
    except Late:
        return [Answer("samples", "prover", "certify", "open", "late", shown(base))]
    except Exception:
        return [Answer("samples", "prover", "certify", "open", "crash", shown(base, traceback.format_exc()[-300:]))]
    if certificate.upper is None or certificate.status == "undecided":  # also: a pole between samples
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
    return [
        Answer(
            "samples", "prover", "bounds", "false" if found else "true", "yes", shown(stated, found) if found else ""
        )
    ]
