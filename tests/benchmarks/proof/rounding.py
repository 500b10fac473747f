"""What coefficients of a format cost, written to ``docs/measured/rounding.md``.

    python -m tests.benchmarks.proof.rounding [NAME ...]

Every published best error (``../shared/data/best_errors.json`` beside the checkout) in every format: the proved error
of the near-best rounding over that of the fit, beside rounding each coefficient to the nearest number. Names of
cases as arguments print their rows alone.
"""

import sys
from fractions import Fraction
from pathlib import Path

from rational_approx import Fit, Rational, certify, fit
from rational_approx.arithmetic.floats import FORMATS
from tests import provenance
from tests.rational_approx.truths import best_errors

ROOT = Path(__file__).resolve().parents[3]
ORDER = ("float64", "float32", "bfloat16", "float16")
assert set(ORDER) == set(FORMATS)


def cost(best: Fit, rational: Rational) -> str:
    """The proved error over that of the fit."""
    certificate = certify(rational, best.target, gap=Fraction(1, 10**6))
    if certificate.pole_free is False:
        return "pole"
    if certificate.status != "proved":
        return certificate.status
    return shown(float(certificate.upper) / float(best.error))


def shown(ratio: float) -> str:
    """Four decimals where that says something."""
    return f"{ratio:.4f}" if ratio < 100 else f"{ratio:.1e}"


def naive(best: Fit, format: str) -> str:
    """The better of both bases, each coefficient rounded to the nearest number."""
    found = []
    for rational in {best.rational, best.rational.monomial()}:
        try:
            found.append(cost(best, rational.rounded(format)))
        except ValueError:  # a coefficient beyond the format's range, or a denominator of zeros
            found.append("range")
    numbers = [text for text in found if text[0].isdigit()]
    return min(numbers, key=float) if numbers else "pole" if "pole" in found else found[0]


def row(name: str, case: dict) -> str:
    """One line of the table."""
    best = fit(case["target"], case["degree"], case["domain"], weight=case["weight"])
    cells = [name, f"{float(best.error):.3e}"]
    for format in ORDER:
        try:
            short = best.rounded(format)
            cells.append(f"{cost(best, short)} ({short.basis[0]})")
        except ValueError:
            cells.append("none found")
        cells.append(naive(best, format))
    line = f"| {' | '.join(cells)} |"
    print(line, flush=True)
    return line


def main() -> None:
    """Write the table, or print the rows that are asked for."""
    cases = best_errors(ROOT.parent / "shared")
    rows = [row(name, cases[name]) for name in sys.argv[1:] or cases]
    if sys.argv[1:]:
        return
    heads = " | ".join(f"{format} | naive" for format in ORDER)
    page = ROOT / "docs" / "measured" / "rounding.md"
    text = f"""# What a format costs

{provenance.head(page.read_text(encoding="utf-8"))}
Proved error with every coefficient in a format, over the error
of the fit: near-best by `Fit.rounded` (in brackets the basis it took, c(hebyshev) or m(onomial)), and *naive*, each
coefficient rounded to the nearest number in whichever of the two bases is better. *pole*: the denominator has a zero
on the domain; *range*: a coefficient is too large for the format; *none found*: the search ended without a rational
that has no pole, and says so.

A format holds a fit whose error is well above its last place, and not more: float32 costs less than 2% down to errors
of 1e-6 and at most a quarter at 1e-10, where the formats of 16 bits lose factors from 20 to 10^6. A lower type is then
as good and cheaper.

| case | error of the fit | {heads} |
|---|---|{"---|---|" * len(ORDER)}
"""
    provenance.write(page, text + "\n".join(rows) + "\n", "tests.benchmarks.proof.rounding")


if __name__ == "__main__":
    main()
