"""Random claims about errors, half of them made false by a small change: is a false one ever proved?

    python -m tests.adversaries.false_proofs [--seed 1] [--count 1000] [--results FILE]
                                             [--write docs/measured/proofs.md]

A problem of the fuzz (``problems.py``), a rational fitted to it or moved a little away from the fit, and its largest
error T by a dense evaluation in 60 digits that shares nothing with the package. The claim is that the error is at most
``T (1 + 1e-9)``: true as it stands, and false once the claim is lowered to ``T (1 - 1e-9)``, the last bits of a
coefficient are changed, the domain is widened past a pole, or a kink is shifted, each by about as little as the dense
evaluation can show. With ``--results`` each answer is kept in a file as it is found and not computed again.
"""

import argparse
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any

import mpmath

from rational_approx import DidNotConverge, Domain, Rational, Target, certify, fit
from rational_approx.arithmetic.precision import fraction
from rational_approx.shipping.documents import document
from rational_approx.verifier import verify
from tests import provenance
from tests.adversaries.dense_check import check, evaluated
from tests.adversaries.formulas import Tree, precise, text
from tests.adversaries.problems import Problem, problem

BEGIN, END = "<!-- claims: begin -->", "<!-- claims: end -->"
CHANGES = ("lowered claim", "changed coefficient", "domain past a pole", "shifted kink")
MARGIN = Fraction(1, 10**9)


@dataclass(frozen=True)
class Case:
    """A problem, a rational, and the stated bound of its error; what was changed, and whether the claim is true."""

    posed: Problem
    rational: Rational
    bound: Fraction
    change: str

    @property
    def target(self) -> Target:
        return Target(
            self.posed.target, self.posed.domain, weight=self.posed.weight, breakpoints=self.posed.given_breaks
        )


def largest(posed: Problem, rational: Rational) -> tuple[Fraction, bool]:
    """The largest error by the dense evaluation, and whether the denominator changes its sign."""
    value, sizes = evaluated(rational), [mpmath.mpf(0)]
    with mpmath.workdps(60):
        for low, high in posed.domain:
            start, stop = (mpmath.mpf(end.numerator) / end.denominator for end in (low, min(high, low + 40)))
            for k in range(1, 30):
                x = start + (stop - start) * k / 30
                weight = precise(posed.weight_tree, x) if posed.weight_tree is not None else 1
                sizes.append(abs((precise(posed.tree, x) - value(x)) * weight))
    found = check(posed, rational, max(s for s in sizes if mpmath.isfinite(s)), 40)
    return (fraction(found.largest) if mpmath.isfinite(found.largest) else Fraction(0)), found.pole


def monomial(rational: Rational, domain: Any, factor: Fraction | None = None) -> Rational:
    """The rational in powers of x, its denominator times ``x - factor``."""
    sides = [[Fraction(int(c.p), int(c.q)) for c in side.coeffs()] or [Fraction(0)] for side in rational.polynomials]
    if factor is not None:
        bottom = sides[1]
        sides[1] = [a - factor * b for a, b in zip([Fraction(0), *bottom], [*bottom, Fraction(0)])]
    return Rational(tuple(sides[0]), tuple(sides[1]), Domain.of(list(domain)), basis="monomial")


def moved(rational: Rational, draw: random.Random, share: Fraction) -> Rational:
    """One coefficient that is not zero, changed by a share of itself."""
    side = draw.choice(("numerator", "denominator"))
    values = list(getattr(rational, side))
    k = draw.choice([k for k, c in enumerate(values) if c] or [0])
    values[k] *= 1 + share
    return replace(rational, **{side: tuple(values)})


def shifted(tree: Tree, by: Fraction) -> Tree:
    """The tree with every kink shifted."""
    if not isinstance(tree, tuple):
        return tree
    operator, *operands = tree
    operands = [shifted(operand, by) for operand in operands]
    if operator in ("abs", "max", "min", "clip"):
        operands[0] = ("-", operands[0], by)
    return (operator, *operands)


def case(seed: int, index: int) -> Case | None:
    """The case with this number; None where no rational was found."""
    draw = random.Random(f"{seed}/{index}/claim")
    posed = problem(seed, index)
    p, q = posed.degree
    posed = replace(posed, degree=(min(p, 6), min(q, 6)), target=text(posed.tree), opaque=False)
    try:
        found = fit(posed.target, posed.degree, posed.domain, weight=posed.weight, breakpoints=posed.given_breaks)
    except DidNotConverge as failure:
        found = failure.fit
    except ValueError:
        return None
    if found is None or not found.error:
        return None
    rational = found.rational
    if draw.random() < 0.5:
        rational = moved(rational, draw, Fraction(1, 2 ** draw.randrange(3, 40)))
    height, pole = largest(posed, rational)
    if pole or not height:
        return None
    if index % 2 == 0:
        return Case(posed, rational, height * (1 + MARGIN), "none")
    return changed(posed, rational, height, draw)


def changed(posed: Problem, rational: Rational, height: Fraction, draw: random.Random) -> Case:
    """The same, made false by the smallest change of a kind that the dense evaluation shows."""
    change, stated = draw.choice(CHANGES), height * (1 + MARGIN)
    if change == "changed coefficient":
        state = draw.getstate()
        for bits in range(50, 2, -6):
            draw.setstate(state)
            other = moved(rational, draw, Fraction(1, 2**bits))
            if largest(posed, other)[0] > stated:
                return Case(posed, other, stated, change)
    if change == "shifted kink" and not posed.given_breaks and posed.weight != "relative":
        for bits in range(40, 2, -6):
            tree = shifted(posed.tree, Fraction(1, 2**bits))
            other_problem = replace(posed, tree=tree, target=text(tree))
            if tree != posed.tree and largest(other_problem, rational)[0] > stated:
                return Case(other_problem, rational, stated, change)
    end = posed.domain[-1][1]
    if change == "domain past a pole" and end < inf:
        width = end - posed.domain[0][0]
        at = end + width / 2 ** draw.randrange(4, 30)
        with_pole = monomial(rational, posed.domain, at)
        before, _ = largest(posed, with_pole)
        domain = (*posed.domain[:-1], (posed.domain[-1][0], at + width / 2 ** draw.randrange(4, 30)))
        wider = replace(posed, domain=domain)
        try:
            widened = Case(wider, replace(with_pole, domain=Domain.of(list(domain))), before * (1 + MARGIN), change)
            _ = widened.target  # the target may not be defined there
            return widened
        except ValueError:
            pass
    return Case(posed, rational, height * (1 - MARGIN), CHANGES[0])


def answer(made: Case) -> dict[str, Any]:
    """What `certify` says of the claim, whether the verifier confirms a proof, and what a witness shows."""
    start = time.process_time()
    certificate = certify(made.rational, made.target, claims=[("error", made.bound)])
    seconds = time.process_time() - start
    says = "refuted" if certificate.pole_free is False else certificate.claims[0].status
    if says == "proved" and certificate.status != "proved":
        says = "undecided"
    witness = certificate.witness
    shown = None
    if says == "refuted" and certificate.pole_free and witness is not None and isinstance(witness.x, Fraction):
        with mpmath.workdps(60):
            x = mpmath.mpf(witness.x.numerator) / witness.x.denominator
            error = precise(made.posed.tree, x) - evaluated(made.rational)(x)
            weight = precise(made.posed.weight_tree, x) if made.posed.weight_tree is not None else 1
            shown = bool(abs(error * weight) > mpmath.mpf(made.bound.numerator) / made.bound.denominator)
    confirmed = verify(document(certificate), 60).ok if says == "proved" else None
    return {"change": made.change, "says": says, "shown": shown, "confirmed": confirmed, "seconds": seconds}


def summary(results: list[dict[str, Any]]) -> str:
    """The counts in Markdown."""
    lines = ["| change | claims | true | proved | refuted | undecided | **false and proved** |", "|" + "---|" * 7]
    for change in ("none", *CHANGES, "all"):
        chosen = [r for r in results if change in (r["change"], "all")]
        says = Counter(r["says"] for r in chosen)
        # A claim that was not changed is false where the dense evaluation missed a peak that the witness shows.
        true = [r for r in chosen if r["change"] == "none" and not r["shown"]]
        wrong = sum(r["says"] == "proved" for r in chosen if r["change"] != "none")
        lines.append(
            f"| {change} | {len(chosen)} | {len(true)} | {says['proved']} | {says['refuted']} | {says['undecided']} "
            f"| **{wrong}** |"
        )
    true = [r for r in results if r["change"] == "none" and not r["shown"]]
    refused = sum(r["says"] == "refuted" for r in true)
    proved = [r for r in results if r["says"] == "proved"]
    seconds = sorted(r["seconds"] for r in results)
    lines += [
        "",
        f"True claims refuted: {refused}. Proofs confirmed by the verifier: {sum(r['confirmed'] for r in proved)} of "
        f"{len(proved)}. Processor time of `certify`: median {seconds[len(seconds) // 2]:.3f} s, largest "
        f"{seconds[-1]:.2f} s.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the cases, print what is wrong, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="claims; problems without a rational do not count")
    parser.add_argument("--seconds", type=float, default=inf, help="stop after this time; --results goes on from there")
    parser.add_argument("--results", type=Path, help="a file that keeps the answers, one JSON object a line")
    parser.add_argument("--write", type=Path, help="a page that has the marks of the counts")
    chosen = parser.parse_args()
    known: dict[int, dict[str, Any] | None] = {}
    if chosen.results and chosen.results.exists():
        for line in chosen.results.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            known[entry["index"]] = entry if entry["says"] else None
    start, index, results = time.monotonic(), 0, []
    while len(results) < chosen.count and time.monotonic() - start < chosen.seconds:
        if index not in known:
            made = case(chosen.seed, index)
            entry = {"index": index, "says": ""} | (answer(made) if made is not None else {})
            known[index] = entry if entry["says"] else None
            if chosen.results:
                with chosen.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")
            right = "proved" if made is not None and made.change == "none" else "refuted"
            if made is not None and entry["says"] != right:
                print(entry, made.posed, flush=True)
        if known[index] is not None:
            results.append(known[index])
        index += 1
    shown = summary(results)
    print(shown)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        inner = (
            f"{BEGIN}\nSeed {chosen.seed}, {len(results)} claims about the first {index} problems:\n\n{shown}\n{END}"
        )
        provenance.write(
            chosen.write, page.split(BEGIN)[0] + inner + page.split(END)[1], "tests.adversaries.false_proofs"
        )


if __name__ == "__main__":
    main()
