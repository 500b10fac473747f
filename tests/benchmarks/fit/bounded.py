"""Random problems with a bounded range: how many are solved, and what the bounds cost.

    python -m tests.benchmarks.fit.bounded 200 [seed]

Every problem that `fit` solves without bounds is asked again with them. A solved one is checked by
`rational_approx.testing.assert_best`: the range exactly, the alternation of the envelopes, the error on the domain.
"""

import random
import sys
import time
from fractions import Fraction
from typing import Any

import numpy as np

from rational_approx import DidNotConverge, Target, fit
from rational_approx.testing import assert_best

SHAPES: list[tuple[str, tuple[Any, Any]]] = [
    *(("sigmoid({})", (0, 1)), ("tanh({})", (-1, 1)), ("max({}, 0)", (0, None)), ("clip({}, -1, 1)", (-1, 1))),
    *(("softplus({})", (0, None)), ("exp(-({})^2)", (0, 1)), ("abs({})", (0, None)), ("atan({})", ("-1.6", "1.6"))),
    *(("erf({})", (-1, 1)), ("1/(1 + exp({}))", (0, None)), ("where({} > 0, {}, expm1({}))", (-1, None))),
    *(("sin({})", (-1, 1)), ("expm1(-abs({}))", (None, 0))),
]
DOMAINS: list[Any] = [(-1, 1), (-2, 2), (-3, 1), (0, 2), (-8, 8), [(-2, -0.5), (0.25, 2)]]


def problem(rng: random.Random) -> tuple[Target, tuple[int, int], tuple[Any, Any]]:
    """A target, a type up to (7, 7), and bounds that the target keeps."""
    shape, bounds = rng.choice(SHAPES)
    inner = f"({Fraction(rng.randint(5, 40), 10)} * x + ({Fraction(rng.randint(-20, 20), 10)}))"
    target = Target(shape.replace("{}", inner), rng.choice(DOMAINS), weight=rng.choice([None, None, "1 + x^2"]))
    return target, (rng.randint(0, 7), rng.randint(0, 7)), bounds


def main(count: int, seed: int = 0) -> None:
    """Print the counts."""
    rng = random.Random(seed)
    solved = active = refused = wrong = passed_over = 0
    times, costs = [], []
    for _ in range(count):
        target, degree, bounds = problem(rng)
        try:
            free = fit(target, degree)
            assert_best(free)
        except (DidNotConverge, AssertionError):
            passed_over += 1
            continue
        start = time.perf_counter()
        try:
            found = fit(target, degree, bounds=bounds)
        except DidNotConverge as stopped:
            refused += 1
            print(f"  not solved: {target!r} {degree} {bounds}: {stopped}", flush=True)
            continue
        times.append(time.perf_counter() - start)
        try:
            assert_best(found)
        except AssertionError as problem_found:
            wrong += 1
            print(f"  wrong: {target!r} {degree} {bounds}: {problem_found}", flush=True)
            continue
        solved += 1
        if found.rational != free.rational:
            active += 1
            costs.append(float(found.error) / float(free.error))
    print(
        f"seed {seed}: {count} problems, {passed_over} passed over (not solved or not confirmed without bounds)\n"
        f"solved and confirmed {solved} (bounds active in {active}), DidNotConverge {refused}, wrong {wrong}\n"
        f"seconds: median {np.median(times):.2f}, largest {max(times):.2f}; error with over without bounds, where "
        f"active: median {np.median(costs):.3f}, largest {max(costs):.3f}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
