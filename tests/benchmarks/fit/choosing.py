"""The figures of ``docs/measured/types.md``, written into the page.

python -m tests.benchmarks.fit.choosing
"""

from pathlib import Path

from rational_approx import Target, certify, fit
from rational_approx.fitting.cost import operations
from rational_approx.fitting.walsh import walsh_table
from rational_approx.problem.symmetry import symmetry_of
from tests import provenance

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "types.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
TYPES = ((3, 2), (5, 4), (7, 6), (9, 8))
GATES = ("relu", "jumprelu", "gelu", "silu", "mish", "softplus", "tanh", "hardswish")
TOLERANCES = (1e-2, 1e-3, 1e-4)


def floors() -> list[str]:
    """Proved lower bounds of the error of every rational of a type."""
    lines = ["| gate | domain |" + "".join(f" {t} |" for t in TYPES), "|---|---|" + "---|" * len(TYPES)]
    for name in GATES:
        target = Target(name)
        bounds = [certify(fit(target, t)).best_lower for t in TYPES]
        where = str(target.domain).removeprefix("Domain(").removesuffix(")")
        lines.append(f"| {name} | {where} |" + "".join(f" {float(b):.4e} |" for b in bounds))
    return lines


def answers() -> list[str]:
    """The cheapest types that meet some tolerances."""
    lines = ["| gate |" + "".join(f" {t:g} |" for t in TOLERANCES), "|---|" + "---|" * len(TOLERANCES)]
    for name in GATES:
        target = Target(name)
        found = [fit(target, tolerance=t) for t in TOLERANCES]
        kind = symmetry_of(target)
        lines.append(f"| {name} |" + "".join(f" {f.degree}: {operations(f.degree, kind)} |" for f in found))
    return lines


def main() -> None:
    """Write the figures."""
    table = str(walsh_table("abs", 6, 6))
    figures = [
        "Best errors, proved from below (no rational of the type with a denominator of one sign does better):\n",
        *floors(),
        "\nThe cheapest type for a tolerance, and its operations:\n",
        *answers(),
        "\nThe Walsh table of `abs(x)`, with its blocks of two by two:\n",
        "```text",
        table,
        "```",
    ]
    before, rest = PAGE.read_text().split(BEGIN)
    text = before + BEGIN + "\n" + "\n".join(figures) + "\n" + END + rest.split(END)[1]
    provenance.write(PAGE, text, "tests.benchmarks.fit.choosing")


if __name__ == "__main__":
    main()
