"""Random samples: does an independent linear programme ever find a better rational than `fit`?

    OMP_NUM_THREADS=1 python -m tests.adversaries.samples [--seed 1] [--count 1000] [--first 0]
                                                [--exact] [--record FILE] [--write docs/measured/fuzz.md]

The programme shares no code with the package. For a level h it asks SciPy's HiGHS for P and Q with
``u abs(f Q - P) + delta N <= h Q`` at every sample and delta as large as it can be, in coordinates in which
``u (f Q - P)`` has orthonormal columns (Gram-Schmidt in mpmath), with the Q of the step before for N. What it finds is
evaluated in mpmath, and its largest error is the new upper end of a bisection; so it never claims more than it has. Of
an answer of `fit` the largest error at the samples and the signs of Q are evaluated in fractions, from the
coefficients.

*Agrees*: the two errors differ by less than 1e-9 of them, or by the rounding of the samples, 2**-52 of the largest; or
the infimum is zero, and they differ by less than 1e-9 of the largest sample.
*Programme behind*: that of `fit` is smaller, as the fractions show. *Wrong*: that of the programme is smaller, or the
fit's own figure is not its error, or Q has two signs at samples.
"""

import argparse
import json
import random
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
from scipy.optimize import linprog

from rational_approx import DidNotConverge, Target, certify, fit
from rational_approx.shipping.documents import document
from rational_approx.verifier import verify
from tests import provenance

BEGIN, END = "<!-- samples: begin -->", "<!-- samples: end -->"
KINDS = ("noise", "smooth", "smooth with noise", "steps", "rounded", "outlier", "weighted")
EXACT = ("large outlier", "two large outliers")
"""Kinds of another stream of problems: beside a large outlier the errors of all other samples are those of rounding."""
VERDICTS = ("agrees", "programme behind", "did not converge", "wrong", "raised")
TOLERANCE = 1e-9
CLOSE = 1e-5
"""How near to the end of a bisection a programme that finds nothing is repeated with another normaliser."""
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Posed:
    """Samples, their weights, and a type."""

    kind: str
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    degree: tuple[int, int]


class Outcome(NamedTuple):
    """The verdict, its reason, the seconds of `fit`, and what the fit says of itself."""

    verdict: str
    reason: str
    seconds: float
    attained: bool
    free: bool
    certified: str


def posed(seed: int, index: int, kinds: tuple[str, ...] = KINDS) -> Posed:
    """The problem with this number, of the kinds in turn."""
    draw = random.Random(f"{seed}/{index}/samples")
    kind = kinds[index % len(kinds)]
    degree = (
        (draw.randrange(5), draw.randrange(5)) if kind not in EXACT else (draw.randrange(2, 5), draw.randrange(2, 5))
    )
    count = draw.randrange(max(6, sum(degree) + 2), 61)
    rng = np.random.default_rng(draw.randrange(2**32))
    x = np.sort(rng.uniform(-1, 1, count)) if draw.random() < 0.7 else np.linspace(-1, 1, count)
    f = draw.choice((np.exp, np.sin, np.abs, np.tanh, np.cos, np.arctan, lambda t: 1 / (1 + 25 * t**2)))
    smooth = f(draw.uniform(0.5, 4) * x + draw.uniform(-1, 1))
    weight = np.ones(count)
    if kind in ("noise", "weighted"):
        y = rng.normal(size=count)
    elif kind == "smooth":
        y = smooth
    elif kind == "smooth with noise":
        y = smooth + 10.0 ** -draw.randrange(1, 6) * rng.normal(size=count)
    elif kind == "steps":
        y = np.round(draw.uniform(1, 4) * smooth)
    elif kind == "rounded":
        x, y = x.round(2), rng.uniform(-1, 1, count).round(2)
        x, first = np.unique(x, return_index=True)
        y, weight = y[first], weight[first]
    elif kind in EXACT:
        y = (f(0.1 * draw.random() * x + draw.uniform(-1, 1)) if draw.random() < 0.7 else 1 / (2 + x)).copy()
        for _ in range(1 + EXACT.index(kind)):
            y[rng.integers(count)] += 10.0 ** draw.uniform(-1, 4)
    else:
        y = smooth.copy()
        y[rng.integers(count)] += draw.uniform(0.1, 2)
    if kind == "weighted":
        weight = 10.0 ** rng.uniform(-2, 2, count)
    scale = 10.0 ** draw.choice((0, 0, 0, -6, 6))
    while x.size < sum(degree) + 2:
        degree = degree[0] - (degree[0] > 0), degree[1] - (degree[0] == 0)
    return Posed(kind, x * 10.0 ** draw.choice((0, 0, 3, -3)) + draw.choice((0, 0, 1)), y * scale, weight, degree)


# -- the programme -----------------------------------------------------------------------------------------------------


def programme(problem: Posed) -> float:
    """The smallest error that the linear programmes find."""
    with mpmath.workdps(60):
        search = _Programme(problem)
        low = mpmath.mpf(0)
        while search.best > 0 and search.best - low > search.best * TOLERANCE / 20:
            level = (low + search.best) / 2 if low else search.best * mpmath.mpf(0.7)
            if not search.better(level) and not (low > search.best * (1 - CLOSE) and search.finer(level)):
                low = level
        return float(search.best)


class _Programme:
    """The best P/Q so far, and the coordinates of the next programme."""

    def __init__(self, problem: Posed) -> None:
        p, q = problem.degree
        x, y, w = (np.array([mpmath.mpf(float(v)) for v in c]) for c in (problem.x, problem.y, problem.weight))
        t = (2 * x - x[0] - x[-1]) / (x[-1] - x[0])
        powers = [np.array([mpmath.chebyt(k, v) for v in t]) for k in range(max(p, q) + 1)]
        self.errors = [-w * b for b in powers[: p + 1]] + [w * y * b for b in powers[: q + 1]]
        self.bottoms = [0 * t] * (p + 1) + powers[: q + 1]
        self.best, self.q = max(abs(w * y)), 0 * t + 1
        self.scaled_by(0 * t + 1)

    def scaled_by(self, normaliser: np.ndarray) -> None:
        """Coordinates in which the errors, each row divided by the normaliser, have orthonormal columns."""
        self.normaliser, self.columns, basis = normaliser, [], []
        for error, bottom in zip(self.errors, self.bottoms, strict=True):
            unit = error / normaliser
            for other, *rest in zip(basis, *zip(*self.columns, strict=True), strict=True) if basis else ():
                share = (other @ unit) / len(unit)
                unit, error, bottom = unit - share * other, error - share * rest[0], bottom - share * rest[1]
            size = mpmath.sqrt(unit @ unit / len(unit))
            size = size if size > mpmath.mpf(10) ** -50 * self.best else mpmath.mpf(10) ** -50 * self.best
            basis.append(unit / size)
            self.columns.append((error / size, bottom / size))
        self.basis = basis

    def better(self, level: mpmath.mpf) -> bool:
        """Whether the programme for a level finds a P/Q that is better than the best so far."""
        u = np.array([[float(a / level) for a in column] for column in self.basis]).T
        v = np.array([[float(a) for a in bottom / self.normaliser] for _, bottom in self.columns]).T
        sizes = np.maximum(np.abs(u).max(axis=0), np.abs(v).max(axis=0))
        u, v, ones, n = u / sizes, v / sizes, np.ones((len(u), 1)), u.shape[1]
        rows = np.block([[u - v, ones], [-u - v, ones]])
        bounds = [(-1, 1)] * n + [(None, None)]
        cost = np.r_[np.zeros(n), -1.0]
        found = linprog(cost, rows, np.zeros(len(rows)), None, None, bounds, "highs", options=TIGHT)
        if found.status != 0:
            return False
        c = [mpmath.mpf(float(value)) / size for value, size in zip(found.x[:-1], sizes, strict=True)]
        error, q = (sum(a * column[k] for a, column in zip(c, self.columns, strict=True)) for k in (0, 1))
        if not min(q) > 0 or not max(abs(error / q)) < self.best:
            return False
        self.best, self.q = max(abs(error / q)), q / max(q)
        self.scaled_by(np.maximum(self.q, mpmath.mpf(10) ** -4))
        return True

    def finer(self, level: mpmath.mpf) -> bool:
        """The same with a normaliser that follows Q further down."""
        self.scaled_by(np.maximum(self.q, mpmath.mpf(10) ** -8))
        found = self.better(level)
        if not found:
            self.scaled_by(np.maximum(self.q, mpmath.mpf(10) ** -4))
        return found


# -- the answer of fit -------------------------------------------------------------------------------------------------


def evaluated(problem: Posed, rational: Any) -> tuple[Fraction, bool]:
    """The largest error at the samples, and whether Q has one sign at them: in fractions, by Clenshaw's rule."""
    lower, upper = rational.domain.lower, rational.domain.upper
    largest, signs = Fraction(0), set()
    for x, y, w in zip(problem.x, problem.y, problem.weight, strict=True):
        t = (2 * Fraction(float(x)) - lower - upper) / (upper - lower)
        sides = []
        for coefficients in (rational.numerator, rational.denominator):
            ahead, further = Fraction(0), Fraction(0)
            for c in reversed(coefficients[1:]):
                ahead, further = 2 * t * ahead - further + c, ahead
            sides.append(t * ahead - further + coefficients[0])
        signs.add((sides[1] > 0) - (sides[1] < 0))
        if sides[1]:
            largest = max(largest, Fraction(float(w)) * abs(Fraction(float(y)) - sides[0] / sides[1]))
    return largest, signs in ({1}, {-1})


def solve(problem: Posed) -> Outcome:
    """The outcome of a problem."""
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fit(Target((problem.x, problem.y), weight=problem.weight), problem.degree)
    except DidNotConverge as reason:
        return Outcome("did not converge", str(reason), time.process_time() - start, False, False, "")
    except Exception as reason:
        return Outcome("raised", repr(reason), time.process_time() - start, False, False, "")
    seconds = time.process_time() - start
    largest, one_sign = evaluated(problem, found.rational)
    independent = programme(problem)
    verdict, reason = "agrees", ""
    # An infimum of zero has no relative error: the programme's errors fall and fall.
    share = TOLERANCE if found.infimum == 0 else 2.0**-52
    rounding = share * float(np.abs(problem.weight * problem.y).max())
    if not one_sign:
        verdict, reason = "wrong", "Q has two signs at the samples, or a zero"
    elif abs(found.error - float(largest)) > 1e-12 * found.error:
        verdict, reason = "wrong", f"the error is {float(largest)!r}, not {found.error!r}"
    elif found.error > independent * (1 + TOLERANCE) + rounding:
        verdict, reason = "wrong", f"{found.error!r}, and the programme has {independent!r}"
    elif independent > found.error * (1 + TOLERANCE) + rounding:
        verdict, reason = "programme behind", f"{found.error!r}, and the programme has {independent!r}"
    try:
        certificate = certify(found)
    except Exception as reason:
        return Outcome("raised", f"certify: {reason!r}", seconds, found.infimum is None, False, "")
    said = certificate.status
    if said == "proved":
        best = (certificate.best_lower or 0) * (1 + Fraction(TOLERANCE)) >= certificate.upper
        said += ", best too" if best else ""
        said += ", verified" if verify(document(certificate), 60).ok else ", not verified"
    return Outcome(verdict, reason, seconds, found.infimum is None, bool(certificate.pole_free), said)


def summary(kinds: list[str], outcomes: list[Outcome], shown_kinds: tuple[str, ...] = KINDS) -> str:
    """The counts in Markdown."""
    lines = [f"| samples | {' | '.join(VERDICTS)} | infimum attained | no pole between |", "|" + "---|" * 8]
    for kind in (*shown_kinds, "all"):
        here = [o for k, o in zip(kinds, outcomes, strict=True) if kind in (k, "all")]
        counts = Counter(o.verdict for o in here)
        cells = [*(counts[v] for v in VERDICTS), sum(o.attained for o in here), sum(o.free for o in here)]
        lines.append(f"| {kind} | {' | '.join(map(str, cells))} |")
    seconds = sorted(o.seconds for o in outcomes)
    certified = Counter(o.certified for o in outcomes)
    said = "; ".join(f"{status or 'nothing'}: {count}" for status, count in sorted(certified.items()))
    times = [seconds[len(seconds) // 2], seconds[int(0.99 * len(seconds))], seconds[-1]]
    shown = "median {:.2f}, 99% {:.2f}, largest {:.2f}".format(*times)
    return "\n".join([*lines, "", f"`certify` says: {said}. Seconds of processor time for one fit: {shown}."])


def recorded(path: Path | None, seed: int) -> dict[int, Outcome]:
    """The outcomes that a record keeps."""
    if path is None or not path.exists():
        return {}
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {line["index"]: Outcome(*line["outcome"]) for line in lines if line["seed"] == seed}


def main() -> None:
    """Run the problems and print the failures and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--exact", action="store_true", help="large outliers on samples that are exact otherwise")
    parser.add_argument("--record", type=Path, help="a file of outcomes, in which those of earlier runs are kept")
    parser.add_argument("--write", type=Path, help="a page that has the marks, such as docs/measured/fuzz.md")
    chosen = parser.parse_args()
    results, kinds = recorded(chosen.record, chosen.seed), EXACT if chosen.exact else KINDS
    indices = range(chosen.first, chosen.first + chosen.count)
    for index in indices:
        if index in results:
            continue
        problem = posed(chosen.seed, index, kinds)
        outcome = results[index] = solve(problem)
        if outcome.verdict != "agrees":
            size = f"{problem.x.size} samples, type {problem.degree}"
            print(f"({chosen.seed}, {index}, {problem.kind}, {size}: {outcome})", flush=True)
        if chosen.record:
            with chosen.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": chosen.seed, "index": index, "outcome": outcome}) + "\n")
    shown = summary([kinds[index % len(kinds)] for index in indices], [results[index] for index in indices], kinds)
    print(shown)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        which = f"Seed {chosen.seed}, problems {chosen.first} to {chosen.first + chosen.count - 1}:"
        inner = f"{BEGIN}\n{which}\n\n{shown}\n{END}"
        provenance.write(chosen.write, page.split(BEGIN)[0] + inner + page.split(END)[1], "tests.adversaries.samples")


if __name__ == "__main__":
    main()
