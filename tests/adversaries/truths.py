"""Fit and certify every published best error, and write ``docs/measured/truths.md``.

    python -m tests.adversaries.truths

Needs the table of best errors beside the checkout (``../shared/data/best_errors.json``).
"""

import statistics
import time
from pathlib import Path

import mpmath

from rational_approx import certify, fit
from tests import provenance
from tests.rational_approx.truths import best_errors

ROOT = Path(__file__).resolve().parents[2]


def row(name: str, case: dict) -> tuple[str, float, float]:
    """One line of the table, and the times of the fit at default settings and of its certificate."""
    arguments = (case["target"], case["degree"], case["domain"])
    start = time.perf_counter()
    found = fit(*arguments, weight=case["weight"])
    fitted = time.perf_counter() - start
    start = time.perf_counter()
    certificate = certify(found)
    certified = time.perf_counter() - start
    precise = fit(*arguments, weight=case["weight"], digits=40)
    with mpmath.workdps(60):
        truth = mpmath.mpf(case["error"])
        off = float(abs(mpmath.mpf(found.error) / truth - 1))
        off_precise = mpmath.nstr(abs(precise.error / truth - 1), 2)
    gap = float(certificate.upper / certificate.lower - 1) if certificate.status == "proved" else float("inf")
    best = float(certificate.upper / certificate.best_lower - 1) if certificate.best_lower else float("inf")
    return (
        f"| {name} | {found.error:.12e} | {off:.1e} | {off_precise} | {certificate.status} | {gap:.1e} | {best:.1e} "
        f"| {1e3 * fitted:.0f} | {1e3 * certified:.0f} |",
        fitted,
        certified,
    )


def main() -> None:
    """Write the table."""
    rows = [row(name, case) for name, case in best_errors(ROOT.parent / "shared").items()]
    fitted, certified = ([r[k] for r in rows] for k in (1, 2))
    page = ROOT / "docs" / "measured" / "truths.md"
    text = f"""# Published best errors, fitted and proved

{provenance.head(page.read_text(encoding="utf-8"))}
*Off*: relative distance of the levelled error from the published best
error, at default settings and with `digits=40`. *Gap*: proved upper over proved lower bound of the error of the
rational, minus 1. *Best*: proved upper bound over the proved lower bound of what any rational of the type can reach,
minus 1. Times in milliseconds, start included; median {1e3 * statistics.median(fitted):.0f} for the fit (largest
{1e3 * max(fitted):.0f}) and {1e3 * statistics.median(certified):.0f} for the certificate (largest
{1e3 * max(certified):.0f}).

| case | error | off | off, 40 digits | certificate | gap | best | fit | certify |
|---|---|---|---|---|---|---|---|---|
"""
    provenance.write(page, text + "\n".join(r[0] for r in rows) + "\n", "tests.adversaries.truths")
    print(text + "\n".join(r[0] for r in rows))


if __name__ == "__main__":
    main()
