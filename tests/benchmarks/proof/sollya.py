"""The proved gap of `certify` beside Sollya's `infnorm` on the same rationals.

    python -m tests.benchmarks.proof.sollya [--repeats 3] [--write docs/measured/proofs.md]

The six rationals of ``../shared/data/approx_peers.json`` on which Sollya's `infnorm` was measured, fitted here at
default settings. Both tools get the same exact coefficients, and piece by piece the same function without branches.
`infnorm` returns an enclosure of the largest error, like `certify`; it runs at its default precision and settings.
Times are processor times, the least of the repeats; that of Sollya's start (an empty script) is taken off.
"""

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

from rational_approx import Certificate, Fit, certify, fit
from rational_approx.expressions.nodes import text
from rational_approx.shipping.documents import document
from rational_approx.verifier import verify
from tests import provenance
from tests.benchmarks.machine import machine
from tests.rational_approx.truths import best_errors

ROOT = Path(__file__).resolve().parents[3]
BEGIN, END = "<!-- sollya: begin -->", "<!-- sollya: end -->"
LIMIT = 400
TANH = {"target": "tanh(x)", "degree": (9, 8), "domain": (-8, 8), "weight": None}
"""The one of the six that is not among the published best errors."""


def polynomial(coefficients: list[Fraction]) -> str:
    """Horner's form, exact, in Sollya's notation."""
    body = "0"
    for c in reversed(coefficients):
        body = f"({c.numerator}/{c.denominator})+x*({body})"
    return body


def script(found: Fit) -> str:
    """The enclosures of the largest error on each piece by `infnorm`."""
    top, bottom = ([Fraction(int(c.p), int(c.q)) for c in side.coeffs()] for side in found.rational.polynomials)
    lines = ["verbosity=0!; roundingwarnings=off!; display=decimal!;"]
    for piece in found.target.pieces:
        assert piece.expression is not None
        error = f"{text(piece.expression.tree)}-({polynomial(top)})/({polynomial(bottom)})"
        lines.append(f"print(infnorm({error},[{piece.lower};{piece.upper}]));")
    return "\n".join(lines) + "\n"


def run(source: str) -> tuple[str, float]:
    """What Sollya prints, and its seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["sollya"], input=source, capture_output=True, text=True, timeout=LIMIT, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(name: str, case: dict, repeats: int) -> str:
    """One line of the table."""
    found = fit(case["target"], case["degree"], case["domain"], weight=case["weight"])
    runs, times = [], []
    for _ in range(repeats):
        runs.append(run(script(found)))
        start = time.process_time()
        certificate: Certificate = certify(found)
        times.append(time.process_time() - start)
    start = time.process_time()
    confirmed = verify(document(certificate), 100).ok
    checked = time.process_time() - start
    idle = min(run("quit;\n")[1] for _ in range(repeats))
    enclosures = re.findall(r"\[([^;\]]+);([^\]]+)\]", runs[0][0])
    numbers = [[Fraction(end) for end in pair] for pair in enclosures if "NaN" not in pair and "infty" not in pair]
    answered = len(numbers) == len(found.target.pieces)
    lower, upper = (max((pair[k] for pair in numbers), default=Fraction(0)) for k in (0, 1))
    assert not answered or (lower <= certificate.upper and certificate.lower <= upper), "the enclosures do not meet"
    above = f"{float(upper / certificate.lower - 1):.1e}" if answered else "no number"
    below = f"{float(1 - lower / certificate.upper):.1e}" if answered else ""
    return (
        f"| {name} | {float(certificate.upper):.6e} | {certificate.gap:.1e} | {1e3 * min(times):.0f} ms "
        f"| {'yes' if confirmed else 'no'}, {checked:.2f} s | {above} | {below} "
        f"| {1e3 * (min(seconds for _, seconds in runs) - idle):.0f} ms |"
    )


def main() -> None:
    """Print the table, or say why there is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", type=Path, help="a page that has the marks of the table")
    chosen = parser.parse_args()
    if shutil.which("sollya") is None:
        sys.exit("skipped: there is no program `sollya` on the path (Debian: apt-get install sollya)")
    peers = ROOT.parent / "shared" / "data" / "approx_peers.json"
    if not peers.exists():
        sys.exit(f"skipped: {peers.name} is not there, which says on which rationals")
    names = json.loads(peers.read_text())["extra"]["sollya_rigorous_norms_on_best_rationals"]
    cases = best_errors(ROOT.parent / "shared") | {"tanh_9_8": TANH}
    said = subprocess.run(["sollya", "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"sollya [\d.]+", said)
    lines = [
        "| rational | largest error | `certify`: gap | time | confirmed | `infnorm`: too large by | too small by "
        "| time |",
        "|" + "---|" * 8,
    ]
    for name in names:
        lines.append(row(name, cases[name], chosen.repeats))
        print(lines[-1], flush=True)
    began = f"{version[0] if version else 'sollya'}. {machine()}."
    shown = "\n".join([began, "", *lines])
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        text = f"{page.split(BEGIN)[0]}{BEGIN}\n{shown}\n{END}{page.split(END)[1]}"
        provenance.write(chosen.write, text, "tests.benchmarks.proof.sollya")


if __name__ == "__main__":
    main()
