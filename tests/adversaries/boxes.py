"""What the verifier takes for the largest error on a box, beside what code gives there.

    python -m tests.adversaries.boxes --file log1p.json [--seed 1] [--count 100]

A whole certificate is as good as its worst box, so that a bound that is too small elsewhere stays unseen. Here code of
a certificate for float64, as it is or with one change, is asked on a random box for the least error that the verifier
takes there, and run at many numbers of the box beside long doubles. More than is taken is false; the command ends with
1 if there is any. Where long doubles have no more digits than doubles nothing is asked.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from rational_approx.verifier.enclosed import Enclosed
from rational_approx.verifier.kernel import normal
from rational_approx.verifier.reading import Failure, Late, Refuted
from tests.adversaries.kernels import _run, changed

__all__ = ["TRUE", "asked"]

TRUE: dict[str, Callable[[Any], Any]] = {
    **{"exp(x)": np.exp, "expm1(x)": np.expm1, "log(x)": np.log, "log1p(x)": np.log1p},
    **{"tanh(x)": np.tanh, "atan(x)": np.arctan, "sigmoid(x)": lambda u: 1 / (1 + np.exp(-u))},
}
REACH = 750.0


def asked(content: dict[str, Any], draw: random.Random, points: int = 3000, seconds: float = 30) -> Any:
    """The error that is taken on a random box of a random piece, that seen, and where; None where none is taken."""
    true = TRUE[content["target"]["expression"]]
    case = Enclosed(normal(content), time.monotonic() + seconds)
    places = [k for k, (upper, steps, _) in enumerate(case.pieces) if steps and upper > -REACH]
    at = draw.choice(places)
    upper, steps, result = case.pieces[at]
    low, high = (max(case.pieces[at - 1][0], -REACH) if at else -REACH), min(upper, REACH)
    side = -1 if high <= 0 or (low < 0 and draw.random() < 0.5) else 1
    inner, outer = (max(low, 0.0), high) if side > 0 else (max(-high, 0.0), -low)
    start = max(inner, 2.0**-900)
    a = draw.uniform(inner, outer) if draw.random() < 0.6 else start * (outer / start) ** draw.random()
    b = min(outer, a * (1 + 2.0 ** -draw.randrange(1, 14)))
    if not 0 < a < b:
        return None
    ends = (Fraction(a), Fraction(b)) if side > 0 else (Fraction(-b), Fraction(-a))
    judge = case.judge((steps, result), case.tree, side)
    last = case.last(judge)

    def holds(ulp: float) -> bool:
        try:
            return bool(judge.outcome((*ends, False), case.kind, Fraction(ulp), last).holds)
        except Failure:
            return False

    least, most = float(last), 2.0 ** draw.choice([4, 20, 60])
    if not holds(most):
        return None
    while most > 1.001 * least:
        middle = (most * max(least, 0.4)) ** 0.5
        least, most = (least, middle) if holds(middle) else (middle, most)
    rng = np.random.default_rng(draw.randrange(2**32))
    runs = np.arange(40) * 2.0**-52
    x = np.concatenate([rng.uniform(a, b, points), a * (1 + runs), b * (1 - runs)])
    x = side * x[(x >= a) & (x <= b)]
    piece, functions = content["pieces"][at], {code["name"]: code for code in content["functions"]}
    with np.errstate(all="ignore"):
        y = _run(piece["steps"], piece["result"], x, functions, content["inner"])
        exact = true(x.astype(np.longdouble))
        unit = np.ldexp(np.longdouble(1), np.maximum(np.frexp(exact)[1] - 53, -1074))
        errors = np.abs(y.astype(np.longdouble) - exact) / unit
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    return most, float(errors[worst]), float(x[worst])


def found(content: dict[str, Any], draw: random.Random, count: int, points: int = 3000) -> tuple[int, list[str]]:
    """On how many of so many boxes an error was taken, and what is false; three of four have changed code."""
    bounded, false = 0, []
    for _ in range(count):
        other = content if draw.random() < 0.25 else changed(content, draw)[1]
        if other["target"] != content["target"]:
            continue
        try:
            answer = asked(other, draw, points)
        except (Failure, Late, Refuted, ArithmeticError, IndexError, TypeError, ValueError):  # it is no such code
            continue
        if answer is None:
            continue
        bounded += 1
        taken, seen, where = answer
        if not seen <= taken * 1.0011 + 0.002:
            false.append(f"{seen:g} ulp at {where!r} where {taken:g} are taken: {json.dumps(other)}")
    return bounded, false


def main() -> None:
    """Ask and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", action="append", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    given = parser.parse_args()
    bad = 0
    for name in given.file:
        content = json.loads(Path(name).read_text())
        if content["target"]["expression"] not in TRUE or np.finfo(np.longdouble).nmant <= 52:
            sys.exit(f"there is no truth for {content['target']['expression']} here")
        bounded, false = found(content, random.Random(given.seed), given.count)
        bad += len(false)
        print(f"{name}: on {bounded} of {given.count} boxes an error is taken", *false, sep="\n  FALSE: ", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
