"""Fits that were slow or refused once: narrow features, singular ends, large types.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.fit.cliffs [NAME ...] [--limit 60] [--write docs/measured/times.md]

Each case in one run by `fit` and by baryrat's `brasil` (where it is installed and solves it: within 1.001 of our proved
error, as far as a fine look sees). Seconds of processor time, start included. A fit that takes longer than the limit is
stopped.
"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np

from rational_approx import DidNotConverge, Fit, fit
from tests import provenance

MARKS = "<!-- cliffs: begin -->", "<!-- cliffs: end -->"
SOLVED = 1.001


class Case(NamedTuple):
    """A question for `fit`, and the function for its peer."""

    target: Any
    degree: tuple[int, int] | None
    domain: tuple[float, float]
    floats: Callable[[Any], Any]
    tolerance: float | None = None


def _bump(x: Any, at: float, width: float) -> Any:
    return np.exp(-(((x - at) / width) ** 2))


CASES = {
    "tanh, bump of width 0.003": Case(
        "tanh(x)+0.01*exp(-((x-0.7312345)/0.003)^2)",
        (5, 4),
        (-3, 3),
        lambda x: np.tanh(x) + 0.01 * _bump(x, 0.7312345, 0.003),
    ),
    "exp, peak of width 1e-6": Case(
        "exp(x)+0.01/(1+((x-0.61234567)*1e6)^2)",
        (4, 4),
        (-1, 1),
        lambda x: np.exp(x) + 0.01 / (1 + ((x - 0.61234567) * 1e6) ** 2),
    ),
    "sqrt(x+1), bump at 50": Case(
        "sqrt(x+1)+0.02*exp(-((x-50.123)/0.03)^2)",
        (4, 4),
        (0, 100),
        lambda x: np.sqrt(x + 1) + 0.02 * _bump(x, 50.123, 0.03),
    ),
    "peak of width 0.01": Case("exp(-((x-0.3141)/0.01)^2)", (6, 6), (-1, 1), lambda x: _bump(x, 0.3141, 0.01)),
    "peak of width 0.001": Case("exp(-((x-0.3141)/0.001)^2)", (6, 6), (-1, 1), lambda x: _bump(x, 0.3141, 0.001)),
    "tanh, bump of width 0.01": Case(
        "tanh(x)+0.1*exp(-((x-0.3)/0.01)^2)", (6, 6), (-3, 3), lambda x: np.tanh(x) + 0.1 * _bump(x, 0.3, 0.01)
    ),
    "ramp of slope 1000": Case("clip(1000*(x-0.3), 0, 1)", (9, 9), (-1, 1), lambda x: np.clip(1000 * (x - 0.3), 0, 1)),
    "ramp of slope 10000": Case(
        "clip(10000*(x-0.3), 0, 1)", (9, 9), (-1, 1), lambda x: np.clip(10000 * (x - 0.3), 0, 1)
    ),
    "ramp of slope 1000 (8, 7)": Case(
        "clip(1000*(x-0.3), 0, 1)", (8, 7), (-1, 1), lambda x: np.clip(1000 * (x - 0.3), 0, 1)
    ),
    "two ramps": Case(
        "clip(1000*(x-0.3), 0, 1)-clip(1000*(x+0.2), 0, 1)",
        (9, 9),
        (-1, 1),
        lambda x: np.clip(1000 * (x - 0.3), 0, 1) - np.clip(1000 * (x + 0.2), 0, 1),
    ),
    "sqrt (20, 20)": Case("sqrt(x)", (20, 20), (0, 1), np.sqrt),
    "sqrt (30, 30)": Case("sqrt(x)", (30, 30), (0, 1), np.sqrt),
    "sqrt(x-1) (20, 20)": Case("sqrt(x-1)", (20, 20), (1, 2), lambda x: np.sqrt(x - 1)),
    "x^0.3 (20, 20)": Case("x^0.3", (20, 20), (0, 1), lambda x: x**0.3),
    "log from 1e-6 (16, 16)": Case("log(x)", (16, 16), (1e-6, 1), np.log),
    "exp (20, 20)": Case("exp(x)", (20, 20), (-1, 1), np.exp),
    "exp (60, 60)": Case("exp(x)", (60, 60), (-1, 1), np.exp),
    "exp (40, 40)": Case("exp(x)", (40, 40), (-1, 1), np.exp),
    "sin (39, 40)": Case("sin(x)", (39, 40), (-1, 1), np.sin),
    "cosh (50, 50)": Case("cosh(x)", (50, 50), (-1, 1), np.cosh),
    "x sin(1/x) (14, 14)": Case("x*sin(1/x)", (14, 14), (0.01, 1), lambda x: x * np.sin(1 / x)),
    "x sin(1/x) (20, 20)": Case("x*sin(1/x)", (20, 20), (0.01, 1), lambda x: x * np.sin(1 / x)),
    "sqrt to 1e-6": Case("sqrt(x)", None, (0, 1), np.sqrt, 1e-6),
    "sqrt to 1e-9": Case("sqrt(x)", None, (0, 1), np.sqrt, 1e-9),
    "x^0.3 to 1e-5": Case("x^0.3", None, (0, 1), lambda x: x**0.3, 1e-5),
    "abs to 1e-8": Case("abs(x)", None, (-1, 1), np.abs, 1e-8),
    "airyai of mpmath (8, 8)": Case(mpmath.airyai, (8, 8), (-4, 4), None),  # type: ignore[arg-type]
}


class TooLong(BaseException):
    """The time is up; not an Exception, so that nothing on the way can swallow it."""


def limited(call: Callable[[], Any], seconds: float) -> tuple[Any, float, str]:
    """The result, the seconds of processor time, and what is to be said where there is no result."""

    def stop(*_: Any) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    start = time.process_time()
    try:
        return call(), time.process_time() - start, ""
    except TooLong:
        return None, time.process_time() - start, f"over {seconds:g} s"
    except DidNotConverge:
        return None, time.process_time() - start, "did not converge"
    except Exception as failure:
        return None, time.process_time() - start, f"{type(failure).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def brasil(case: Case, limit: float, ours: Fit | None) -> str:
    """The seconds of baryrat's `brasil`, or why there are none."""
    if case.degree is None or case.floats is None or importlib.util.find_spec("baryrat") is None:
        return "-"
    baryrat = importlib.import_module("baryrat")
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        r, seconds, note = limited(lambda: baryrat.brasil(case.floats, case.domain, case.degree), limit)
        if r is None:
            return note
        low, high = case.domain
        x = np.unique(np.r_[np.linspace(low, high, 200_001), low + (high - low) * np.geomspace(1e-15, 1, 20_001)])
        if ours is not None:
            x = np.unique(np.r_[x, [float(point) for point in ours.reference]])
        error = float(np.abs(case.floats(x) - r(x)).max())
    if ours is None or not error <= SOLVED * float(ours.error):
        return f"{seconds:.2f} s, not best ({error:.2g})"
    return f"{seconds:.2f} s"


def main() -> None:
    """Run, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="cases to run (default: all)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one fit")
    parser.add_argument("--write", type=Path, help="a page that has the marks, such as docs/measured/times.md")
    options = parser.parse_args()
    fit("abs(x)", (3, 2), (-1, 1))  # what is imported on the first call belongs to no case
    lines = ["| case | type | error | s | brasil |", "|---|---|---|---|---|"]
    for name in options.names or CASES:
        case = CASES[name]
        arguments = {} if case.tolerance is None else {"tolerance": case.tolerance}
        found, seconds, note = limited(lambda: fit(case.target, case.degree, case.domain, **arguments), options.limit)  # noqa: B023
        degree, error = (found.degree, f"{float(found.error):.6g}") if found is not None else (case.degree, note)
        lines.append(f"| {name} | {degree} | {error} | {seconds:.2f} | {brasil(case, options.limit, found)} |")
        print(lines[-1], flush=True)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        begin, end = MARKS
        inner = "\n".join([begin, *lines, end])
        provenance.write(
            options.write, page.split(begin)[0] + inner + page.split(end)[1], "tests.benchmarks.fit.cliffs"
        )


if __name__ == "__main__":
    main()
