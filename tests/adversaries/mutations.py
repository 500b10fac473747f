"""Changed certificates against the verifier.

    python -m tests.adversaries.mutations [--seed 1] [--count 500] [--write docs/measured/proofs.md]

Each certificate has one change, and its hash is computed again. Most changes make it false or incomplete, and the
verifier must reject each. Some leave every statement true (a larger upper bound), and it should accept those. Of a
coefficient that is changed together with the value that pins it, either may be right: a last bit can be too small to
matter. There a fresh `certify` of the changed rational decides whether an accepted statement is false.
"""

import argparse
import copy
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from rational_approx import Domain, Rational, Target, certify, fit
from rational_approx.shipping.documents import canonical_hash, document, number_text, read_number
from rational_approx.verifier import verify
from tests import provenance

__all__ = ["CHANGES", "HARMLESS", "QUESTIONS", "certificates", "changed", "hashed", "repinned"]

BEGIN, END = "<!-- mutations: begin -->", "<!-- mutations: end -->"
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
    "through_zero": ("expm1(x)", (3, 2), {"domain": (-1, 1), "weight": "relative"}),
    "decay": ("x * exp(-x)", (3, 5), {"domain": (0, "inf")}),
}
Change = Callable[[dict[str, Any], random.Random], None]


def certificates() -> dict[str, dict[str, Any]]:
    """The documents that are changed, two of them with claims."""
    claims = [("range", -100, 100), ("lipschitz", 1000), ("error", 1)]
    made = {}
    for name, (target, degree, options) in QUESTIONS.items():
        found = certify(fit(target, degree, **options), claims=claims if name in ("relu", "exp") else ())
        made[name] = document(found)
    return made


def hashed(content: dict[str, Any]) -> dict[str, Any]:
    """The document with its hash computed again."""
    return content | {"hash": canonical_hash(content)}


def changed(content: dict[str, Any], change: Change, rng: random.Random) -> dict[str, Any]:
    """A copy with one change, and its hash."""
    other = copy.deepcopy(content)
    change(other, rng)
    return hashed(other)


# -- changes after which the certificate is false or incomplete --------------------------------------------------------


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
    point = rng.choice(content["references"][0]["points"])
    point[2] = -point[2]


def moved_point(content: dict[str, Any], rng: random.Random) -> None:
    point = rng.choice([point for point in content["references"][0]["points"] if point[1] != "inf"])
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


CHANGES: list[Change] = [
    *(bit_of_a_coefficient, dropped_part, shifted_part, swapped_sign, moved_point, lowered_upper_bound),
    *(raised_lower_bound, edited_expression, edited_weight, larger_type, wider_domain),
]


# -- changes after which every statement is still true -----------------------------------------------------------------


def raised_upper_bound(content: dict[str, Any], rng: random.Random) -> None:
    content["upper"] = number_text(read_number(content["upper"]) * (1 + Fraction(1, 10 ** rng.randrange(1, 10))))
    content["claims"] = []


def reduced_lower_bound(content: dict[str, Any], rng: random.Random) -> None:
    key = rng.choice(["lower", "best_lower"])
    content[key] = number_text(read_number(content[key]) * (1 - Fraction(1, 10 ** rng.randrange(1, 10))))


def halved_part(content: dict[str, Any], rng: random.Random) -> None:
    k = rng.choice([k for k, part in enumerate(content["parts"]) if "inf" not in part])
    piece, lower, upper = content["parts"][k]
    middle = number_text((read_number(lower) + read_number(upper)) / 2)
    content["parts"][k : k + 1] = [[piece, lower, middle], [piece, middle, upper]]


def rewritten_expression(content: dict[str, Any], rng: random.Random) -> None:
    target = content["target"]
    target["expression"] = rng.choice(["({})", "0 + {}", "1 * ({})", " {} "]).format(target["expression"])


def left_out_claim(content: dict[str, Any], rng: random.Random) -> None:
    content["claims"] = content["claims"][:-1]


HARMLESS: list[Change] = [raised_upper_bound, reduced_lower_bound, halved_part, rewritten_expression, left_out_claim]


def repinned(content: dict[str, Any], rng: random.Random) -> None:
    """A changed coefficient, and the pinned value computed from it."""
    bit_of_a_coefficient(content, rng)
    x = read_number(content["value"][0])
    values = (
        sum((Fraction(int(c.p), int(c.q)) * x**k for k, c in enumerate(side)), Fraction(0))
        for side in rational(content).polynomials
    )
    content["value"] = [number_text(number) for number in (x, *values)]


def rational(content: dict[str, Any]) -> Rational:
    """The rational of a document."""
    stored = content["rational"]
    domain = [tuple(read_number(end, infinite=True) for end in pair) for pair in stored["domain"]]
    sides = (tuple(map(read_number, stored[key])) for key in ("numerator", "denominator"))
    return Rational(*sides, Domain.of(domain), stored["basis"])


def contradicted(content: dict[str, Any]) -> bool:
    """Whether a fresh proof contradicts the bounds of a document."""
    target = content["target"]
    domain = [tuple(read_number(end, infinite=True) for end in pair) for pair in target["domain"]]
    breaks = [read_number(b) for b in target["breakpoints"]]
    fresh = certify(
        rational(content), Target(target["expression"], domain, weight=target["weight"], breakpoints=breaks)
    )
    if fresh.pole_free is False or fresh.lower is None or fresh.upper is None:
        return True
    return fresh.lower > read_number(content["upper"]) or fresh.upper < read_number(content["lower"])


def run_mutations(made: dict[str, Any], seed: int, count: int) -> str:
    """Counts of changed certificates in Markdown."""
    rng = random.Random(seed)
    unchanged = sum(verify(content, 60).ok for content in made.values())
    seen: Counter[tuple[str, bool]] = Counter()
    rows = [change.__name__ for change in (*CHANGES, repinned, *HARMLESS)]
    false, slow = 0, 0.0
    for kinds, number in ((CHANGES, count), ([repinned], count // 5), (HARMLESS, count // 5)):
        for k in range(number):
            change, name = kinds[k % len(kinds)], rng.choice(list(made))
            content = changed(made[name], change, rng)
            start = time.process_time()
            ok = verify(content, 60).ok
            slow = max(slow, time.process_time() - start)
            seen[change.__name__, ok] += 1
            if ok and change in CHANGES:
                print("ACCEPTED", name, change.__name__, flush=True)
            if not ok and change in HARMLESS:
                print("not accepted", name, change.__name__, verify(content, 60).failures, flush=True)
            if ok and change is repinned and contradicted(content):
                false += 1
                print("FALSE", name, flush=True)
    lines = [
        f"Unchanged: {unchanged} of {len(made)} accepted.",
        "",
        "| change | rejected | accepted |",
        "|---|---|---|",
    ]
    lines += [f"| {row.replace('_', ' ')} | {seen[row, False]} | {seen[row, True]} |" for row in rows]
    bad = sum(seen[change.__name__, True] for change in CHANGES)
    lines += [
        "",
        f"Of {count} changes that make a certificate false or incomplete {count - bad} are rejected. Of the accepted "
        f"ones with a coefficient changed and pinned again, {false} are contradicted by a fresh proof. Largest "
        f"processor time {slow:.1f} s.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Check the changes and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--write", type=Path, help="a page that has the marks of the counts")
    chosen = parser.parse_args()
    made = certificates()
    shown = run_mutations(made, chosen.seed, chosen.count)
    print(shown)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        inner = f"{BEGIN}\nSeed {chosen.seed}.\n\n{shown}\n{END}"
        provenance.write(chosen.write, page.split(BEGIN)[0] + inner + page.split(END)[1], "tests.adversaries.mutations")


if __name__ == "__main__":
    main()
