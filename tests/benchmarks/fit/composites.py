"""The figures of ``docs/approximation/composite.md``, written into the page.

python -m tests.benchmarks.fit.composites
"""

from fractions import Fraction
from math import log2
from pathlib import Path

from rational_approx import Composite, composite_relu, composite_sign, fit, verify
from rational_approx.fitting.cost import encrypted
from rational_approx.problem.symmetry import symmetry_of
from tests.rational_approx.composition.published import DEGREES, LATTIGO

PAGE = Path(__file__).resolve().parents[3] / "docs" / "approximation" / "composite.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
GAPS = (5, 10, 15, 20)
DEPTHS = (6, 9, 12, 15, 18, 21, 24)
GATES = {"relu": (-1, 1), "gelu": (-8, 8), "silu": (-8, 8), "sigmoid": (-8, 8), "tanh": (-8, 8)}
TOLERANCES = (1e-2, 1e-3, 1e-4)


def _verified(found: Composite) -> Composite:
    assert verify(found, seconds=60).ok
    return found


def by_depth() -> list[str]:
    """The least error within so many levels: of sign beyond some gaps, and of ReLU."""
    lines = ["| levels |" + "".join(f" gap 2^-{a} |" for a in GAPS) + " ReLU | its degrees |"]
    lines.append("|---|" + "---|" * (len(GAPS) + 2))
    for depth in DEPTHS:
        errors = [_verified(composite_sign(Fraction(1, 2**a), depth=depth)).error for a in GAPS]
        relu = _verified(composite_relu(depth=depth))
        row = "".join(f" {float(e):.2e} |" for e in (*errors, relu.error))
        lines.append(f"| {depth} |{row} {', '.join(map(str, relu.degrees))} |")
    return lines


def beside_published() -> list[str]:
    """The fewest levels, and then multiplications, beside those of the authors' own programme."""
    lines = ["| bits | levels | multiplications | degrees | error, in 2^(1 - bits) | published |", "|---|" + "---|" * 5]
    for alpha, rows in DEGREES.items():
        error = Fraction(2, 2**alpha)
        found = _verified(composite_sign(Fraction(1, 2**alpha), error=error))
        published = f"{rows[0][0]}, {rows[0][1]}: {', '.join(map(str, rows[0][2]))}"
        lines.append(
            f"| {alpha} | {found.depth} | {found.multiplications} | {', '.join(map(str, found.degrees))} | "
            f"{float(found.error / error):.3f} | {published} |"
        )
    return lines


def lattigo() -> str:
    """The composition that Lattigo ships."""
    degrees, bits, _ = LATTIGO
    gap, noise = Fraction(1, 2**30), Fraction(1, 2**35)
    same = _verified(composite_sign(gap, degrees=degrees, noise=noise))
    return (
        f"Lattigo ships the degrees {', '.join(map(str, degrees))} for the gap 2^-30 with a noise of 2^-35, and states "
        f"an error of 2^-{bits:.3f}: {same.depth} levels and {same.multiplications} multiplications. For these degrees "
        f"{float(same.error):.4e} = 2^{log2(same.error):.3f} is proved here."
    )


def one_polynomial() -> list[str]:
    """What `fit` chooses by depth."""
    lines = ["| gate | domain |" + "".join(f" {t:g} |" for t in TOLERANCES), "|---|---|" + "---|" * len(TOLERANCES)]
    for name, domain in GATES.items():
        row = []
        for tolerance in TOLERANCES:
            found = fit(name, domain=domain, tolerance=tolerance, cost="depth")
            cost = encrypted(found.degree, symmetry_of(found.target))
            row.append(f" {found.degree}: {cost.levels}, {cost.multiplications} |")
        lines.append(f"| {name} | {list(domain)} |" + "".join(row))
    return lines


def main() -> None:
    """Write the figures."""
    figures = [
        "The least error within so many levels, of degrees up to 31. Each was proved, and verified again:\n",
        *by_depth(),
        "\nThe fewest levels for a comparison of *bits* bits: gap `2^-bits`, error at most `2^(1 - bits)`:\n",
        *beside_published(),
        "\n" + lattigo(),
        "\nWithout composition: types that `fit` chooses by depth for a tolerance, their levels and multiplications:\n",
        *one_polynomial(),
    ]
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(figures) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
