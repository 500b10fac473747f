"""How long a fit takes: ``OMP_NUM_THREADS=1 python -m tests.benchmarks.fit.times [--write docs/measured/times.md]``.

Every gate of the zoo on its usual domain, in all types ``(p, p - 1)`` up to (9, 8), once more to 50 digits, and
``abs(x)``. A first fit, of ``exp``, is not counted: it imports what is used.
"""

import argparse
import statistics
import time
from pathlib import Path

import mpmath

from rational_approx import DidNotConverge, certify, fit
from rational_approx.targets import gates
from tests import provenance

TYPES = [(p, p - 1) for p in range(1, 10)]
DIGITS = 50
CLIFFS = "## Cliffs"
ABS_TYPES = [*((n, n) for n in range(2, 41, 2)), (80, 80)]


def timed(target: object, degree: tuple[int, int], **arguments: object) -> tuple[float, object]:
    """Seconds of one fit by the clock, and the fit, or None where it did not converge."""
    start = time.perf_counter()
    try:
        found = fit(target, degree, **arguments)
    except DidNotConverge:
        found = None
    return time.perf_counter() - start, found


def gate_rows() -> tuple[list[str], list[float], list[float]]:
    """A line a gate; the times of all its types, and those to 50 digits."""
    rows, times, precise = [], [], []
    for name in gates.NAMES:
        found = [timed(name, degree) for degree in TYPES]
        seconds = [t for t, _ in found]
        refused = [f"({p}, {q})" for (p, q), (_, done) in zip(TYPES, found, strict=True) if done is None]
        long, done = timed(name, TYPES[-1], digits=DIGITS)
        digits = f"{1e3 * long:.0f}" if done is not None else "did not converge"
        times += seconds
        precise.append(long)
        cells = " | ".join(f"{1e3 * t:.0f}" for t in seconds)
        rows.append(f"| {name} | {cells} | {digits} | {', '.join(refused) or '-'} |")
    return rows, times, precise


def abs_rows() -> list[str]:
    """A line a type: the error of ``abs(x)``, how near proof puts it to the best possible, and the time."""
    rows = []
    for degree in ABS_TYPES:
        seconds, done = timed("abs(x)", degree, domain=(-1, 1))
        proof = certify(done)
        off = f"{float(proof.upper / proof.best_lower - 1):.1e}" if proof.best_lower else proof.status
        longer, precise = timed("abs(x)", degree, domain=(-1, 1), digits=30)
        rows.append(
            f"| {degree} | {mpmath.nstr(precise.error, 25)} | {off} | {1e3 * seconds:.0f} | {1e3 * longer:.0f} |"
        )
    return rows


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="the page to write")
    options = parser.parse_args()
    fit("exp(x)", (2, 2), (-1, 1))
    rows, times, precise = gate_rows()
    middle, middle_precise = statistics.median(times), statistics.median(precise)
    heads = " | ".join(f"({p}, {q})" for p, q in TYPES)
    text = f"""# How long a fit takes

Milliseconds by the clock, start included, one thread. {len(times)} fits of gates up to type (9, 8): median
{middle:.3f} s, largest {max(times):.3f} s; to {DIGITS} digits at (9, 8): median {middle_precise:.3f} s, largest
{max(precise):.3f} s.

| gate | {heads} | (9, 8), {DIGITS} digits | refused |
|---|{"---|" * (len(TYPES) + 2)}
"""
    text += "\n".join(rows)
    text += """

## abs(x) on [-1, 1]

*Off*: the proved upper bound of the error over the proved lower bound of what any rational of the type can
reach, minus 1, at default settings.

| type | error, 25 digits | off | ms | ms, 30 digits |
|---|---|---|---|---|
"""
    text += "\n".join(abs_rows()) + "\n"
    print(text)
    if options.write:
        before = options.write.read_text(encoding="utf-8")
        _, mark, rest = before.partition(CLIFFS)  # written by another command
        title, body = text.split("\n\n", 1)
        page = f"{title}\n\n{provenance.head(before)}\n{body}\n{mark}{rest}"
        provenance.write(options.write, page, "tests.benchmarks.fit.times")


if __name__ == "__main__":
    main()
