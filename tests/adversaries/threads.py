"""Does calculating in several threads at once change an answer, leave a proof undecided, or a precision changed?

Working precision is global in mpmath and in python-flint. So random jobs (fit, certify, evaluate) are done one after
the other, and then by threads at once, beside one that does nothing but work at other precisions: every
answer has to be the same to the last bit. ``python -m tests.adversaries.threads`` runs it.
"""

import argparse
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import flint
import mpmath

from rational_approx import DidNotConverge, Fit, certify, fit
from rational_approx.arithmetic.precision import working_bits

Job = tuple[str, Callable[[], str]]
TARGETS = {
    "exp(x)": (-1, 1),
    "abs(x)": (-1, 1),
    "gelu": (-4, 4),
    "sqrt(x)": (0, 1),
    "sin(x)": (-2, 2),
    "log(x)": (0.5, 3),
    "max(x, 0.25)": (-1, 1),
    "exp(-x)": (0, float("inf")),
    "gamma(x)": (1, 3),
}


def answers(found: Fit, rng: random.Random) -> Iterator[object]:
    """What is calculated from a fit, at several precisions."""
    r = found.rational
    yield from (r, r.numerator, r.denominator, found.error, found.reference)
    if found.target.expression is not None:
        proof = certify(found)
        yield from (proof.status, proof.lower, proof.upper, proof.best_lower, proof.references)
    x = mpmath.mpf(rng.choice([0.625, 0.75, 0.875]))  # exact at every precision that another thread may have set
    yield from (r(x), r.antiderivative()(x), r.derivative()(x), r.poles(), found.error_at([float(x)]).tolist())


def job(seed: int) -> str:
    """The answers of one random job as a text that shows every bit."""
    rng = random.Random(seed)
    name = rng.choice([*TARGETS, "callable"])
    degree = rng.choice([(2, 2), (3, 2), (4, 4), (3, 1)])
    options = {"digits": rng.choice([None, None, 25])} if name != "callable" else {}
    if name == "sin(x)":
        options["weight"] = "relative"
    try:
        if name == "callable":
            found = fit(mpmath.airyai, degree, (-1, 1))
        else:
            found = fit(name, degree, TARGETS[name], **options)
    except DidNotConverge as refused:
        return f"{name} {degree}: {refused}"
    # The text of an mpf depends on the precision; what it holds does not.
    exact = (answer._mpf_ if isinstance(answer, mpmath.mpf) else answer for answer in answers(found, rng))
    return "\n    ".join([f"{name} {degree}", *map(str, exact)])


@contextmanager
def noise() -> Iterator[None]:
    """A thread that works at one precision after the other."""
    done = threading.Event()

    def work() -> None:
        rng = random.Random(0)
        while not done.is_set():
            with working_bits(rng.choice([10, 30, 900, 3000])):
                flint.arb(2).sqrt()
            done.wait(1e-4)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()


def differences(count: int, threads: int, first: int = 0) -> list[str]:
    """What went another way in threads: jobs with another answer, and a global precision that was not restored."""
    seeds = range(first, first + count)
    before = mpmath.mp.prec, flint.ctx.prec, flint.ctx.cap
    alone = [job(seed) for seed in seeds]
    with noise(), ThreadPoolExecutor(threads) as pool:
        together = list(pool.map(job, seeds))
    found = []
    for seed, *both in zip(seeds, alone, together, strict=True):
        if both[0] != both[1]:
            lines = [f"  {a}\n  {b}" for a, b in zip(*(text.splitlines() for text in both), strict=False) if a != b]
            found.append(f"seed {seed}, {both[0].splitlines()[0]}:\n" + "\n".join(lines))
    after = mpmath.mp.prec, flint.ctx.prec, flint.ctx.cap
    return found if after == before else [*found, f"the global precision was {before} and is {after}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="jobs")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    asked = parser.parse_args()
    found = differences(asked.count, asked.threads, asked.first)
    print("\n".join(found))
    print(f"{asked.count} jobs in {asked.threads} threads: {len(found)} differences")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
