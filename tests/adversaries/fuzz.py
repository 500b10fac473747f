"""Fuzz `fit` with random problems, and confirm every answer by an independent dense check in mpmath.

    python -m tests.adversaries.fuzz [--seed 1] [--count 200] [--first 0] [--points 60] [--record FILE] [--write PAGE]
        [--narrow]

Each problem has 10 s of processor time. The outcomes: ``solved`` (the levelled error is the largest one to 1e-9, and it
alternates as often as the best approximant must), ``did not converge`` (said so), ``wrong``, ``too slow``, ``raised``
(anything but ``DidNotConverge``). A problem that was not solved is printed with its seed and number. With ``--record``
every outcome is a line of a file, and a run that was interrupted goes on where it was.
"""

import argparse
import json
import signal
import time
import traceback
from collections import Counter
from fractions import Fraction
from math import isinf
from pathlib import Path
from typing import Any, NamedTuple

import mpmath

from rational_approx import DidNotConverge, fit
from tests import provenance
from tests.adversaries.dense_check import check
from tests.adversaries.formulas import precise
from tests.adversaries.narrow import NARROW
from tests.adversaries.problems import KINDS, Kinds, Problem, problem

MARKS = "<!-- {}: begin -->", "<!-- {}: end -->"

LIMIT = 10.0
"""Seconds of processor time for one problem."""

AGREE = 1e-9
"""Relative agreement of the levelled error and the largest one."""


class Outcome(NamedTuple):
    """What became of a problem, how long ``fit`` took, and the detail where it was not solved."""

    verdict: str
    seconds: float
    detail: str = ""


class TooSlow(BaseException):
    """The time is up; not an Exception, so that nothing inside `fit` can swallow it."""


def _time_is_up(*_: Any) -> None:
    raise TooSlow


def solve(posed: Problem, per_point: int = 60, limit: float = LIMIT) -> Outcome:
    """Fit one problem and check the answer."""
    signal.signal(signal.SIGPROF, _time_is_up)
    signal.setitimer(signal.ITIMER_PROF, limit)
    start = time.process_time()
    try:
        found = fit(posed.target, posed.degree, posed.domain, weight=posed.weight, breakpoints=posed.given_breaks)
    except DidNotConverge as failure:
        signal.setitimer(signal.ITIMER_PROF, 0)
        best = "no attempt" if failure.fit is None else f"best attempt levelled {failure.fit.error:.6g}"
        return Outcome("did not converge", time.process_time() - start, best)
    except TooSlow:
        return Outcome("too slow", time.process_time() - start)
    except Exception as failure:
        signal.setitimer(signal.ITIMER_PROF, 0)
        where = traceback.extract_tb(failure.__traceback__)[-1]
        detail = f"{type(failure).__name__}: {failure} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
        return Outcome("raised", time.process_time() - start, detail)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - start
    fault = wrong(posed, found, per_point)
    return Outcome("wrong", seconds, fault) if fault else Outcome("solved", seconds)


def wrong(posed: Problem, found: Any, per_point: int = 60) -> str:
    """What is wrong with an answer, or an empty string."""
    checked = check(posed, found.rational, found.error, per_point)
    if checked.pole:
        return "the denominator changes sign on the domain"
    error = float(found.error)
    scale = float(max(map(abs, found.rational.numerator)) / max(map(abs, found.rational.denominator)))
    # A float64 callable is known to a few units in the last place only; of an exact fit the coefficients are rounded.
    noise = 1e-14 * max(1.0, scale) if posed.opaque else 1e-25 * max(1.0, scale)
    excess = float(checked.largest - found.error)
    if abs(excess) > AGREE * error + noise:
        return f"levelled {error:.12g}, largest {float(checked.largest):.12g} at x = {float(checked.at):.9g}"
    p, q = posed.degree
    if any(isinf(end) for pair in posed.domain for end in pair):
        p = min(p, q)  # a larger numerator cannot help on a half-line
    zero = not any(found.rational.numerator)
    defect = q if zero else min(p - found.rational.type[0], q - found.rational.type[1])
    if abs(error - half_jump(posed)) <= AGREE * error:
        return ""  # no function that is continuous there does better, and many may do as well
    if error < 1e3 * noise:
        return ""  # alternation at full height drowns in the noise of a float64 callable, or the fit is exact
    if checked.alternations < p + q + 2 - defect:
        return f"{checked.alternations} alternations of {p + q + 2 - defect}, levelled {error:.12g}"
    return ""


def half_jump(posed: Problem) -> float:
    """Half of the largest weighted jump at a given breakpoint: a lower bound of the error."""
    half = [0.0]
    with mpmath.workdps(50):
        for at in posed.given_breaks:
            x, step = mpmath.mpf(at.numerator) / at.denominator, mpmath.mpf(10) ** -40
            left, right = precise(posed.tree, x - step), precise(posed.tree, x + step)
            weights = [precise(posed.weight_tree or Fraction(1), x + side) for side in (-step, step)]
            # e = w_left (left - r) = -w_right (right - r) at the best value r
            half.append(float(abs(left - right) / (1 / weights[0] + 1 / weights[1])))
    return max(half)


def summary(results: list[tuple[str, Outcome]], kinds: Kinds = KINDS) -> str:
    """Counts by kind of problem in Markdown, and the times."""
    verdicts = ("solved", "did not converge", "wrong", "too slow", "raised")
    lines = ["| kind | " + " | ".join(verdicts) + " |", "|---|" + "---|" * len(verdicts)]
    for shown in [*kinds, "all"]:
        counts = Counter(outcome.verdict for kind, outcome in results if shown in (kind, "all"))
        lines.append(f"| {shown} | " + " | ".join(str(counts[verdict]) for verdict in verdicts) + " |")
    seconds = sorted(outcome.seconds for _, outcome in results)
    middle, most = seconds[len(seconds) // 2], seconds[int(0.99 * len(seconds))]
    lines += [
        "",
        f"Seconds of processor time for one fit: median {middle:.3f}, 99% {most:.2f}, largest {seconds[-1]:.2f}.",
    ]
    return "\n".join(lines)


def recorded(path: Path | None, seed: int) -> dict[int, tuple[str, Outcome]]:
    """The outcomes in a file, by the number of the problem."""
    if path is None or not path.exists():
        return {}
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["index"]: (line["kind"], Outcome(*line["outcome"])) for line in lines if line["seed"] == seed}


def main() -> None:
    """Run the problems and print the failures and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--points", type=int, default=60, help="points of the check for each point of a reference")
    parser.add_argument("--record", type=Path, help="a file of outcomes, in which those of earlier runs are kept")
    parser.add_argument("--write", type=Path, help="a page that has the marks, such as docs/measured/fuzz.md")
    parser.add_argument("--narrow", action="store_true", help="the kinds with narrow features")
    chosen = parser.parse_args()
    kinds = NARROW if chosen.narrow else KINDS
    results = recorded(chosen.record, chosen.seed)
    for index in range(chosen.first, chosen.first + chosen.count):
        if index in results:
            continue
        posed = problem(chosen.seed, index, kinds)
        outcome = solve(posed, chosen.points)
        results[index] = posed.kind, outcome
        if outcome.verdict != "solved":
            print(f"({chosen.seed}, {index}, {outcome}, {posed})", flush=True)
        if chosen.record:
            line = json.dumps({"seed": chosen.seed, "index": index, "kind": posed.kind, "outcome": outcome})
            with chosen.record.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
    shown = summary([results[index] for index in range(chosen.first, chosen.first + chosen.count)], kinds)
    print(shown)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        last = chosen.first + chosen.count - 1
        which = f"Seed {chosen.seed}, problems {chosen.first} to {last}, {chosen.points} points a reference point:"
        begin, end = (mark.format("narrow" if chosen.narrow else "counts") for mark in MARKS)
        inner = f"{begin}\n{which}\n\n{shown}\n{end}"
        command = "tests.adversaries.fuzz" + " --narrow" * chosen.narrow
        provenance.write(chosen.write, page.split(begin)[0] + inner + page.split(end)[1], command)


if __name__ == "__main__":
    main()
