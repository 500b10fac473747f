"""`fit` side by side with SciPy's AAA, AAA-Lawson, baryrat's `brasil` and `brane`: 19 realistic cases, in one run.

    python -m tests.benchmarks.fit.approximation [NAME ...] [--write docs/measured/benchmarks.md]

Prints the table, or writes it between the markers of a page. Peers that are not installed are left out; for baryrat:
``pip install --no-deps baryrat gmpy2 flamp``. Needs ``../shared/data/approx_peers.json`` beside the checkout.

The error of a result is the largest ``abs(f - r)`` in 50-digit mpmath with the returned parameters taken as exact: at
3001 Chebyshev points of each segment between ends and kinks, at points that approach each of these geometrically down
to 1e-20, and after golden sections around the six largest local maxima. It is divided by the lower bound of the best
error that `certify` proves.
"""

import argparse
import contextlib
import importlib
import io
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import scipy
import scipy.special

from rational_approx import certify, fit
from tests import provenance
from tests.benchmarks.fit.aaa_lawson import aaa_lawson

ROOT = Path(__file__).resolve().parents[3]
BEGIN, END = "<!-- side by side: begin -->", "<!-- side by side: end -->"
SOLVED = 1.0001
GOLDEN = (5**0.5 - 1) / 2
BRANE_DIGITS = 60


class Case(NamedTuple):
    """A case: for `fit` its expression, for the peers the same function in terms of a namespace of functions."""

    expression: str
    function: Callable[[Any, Any], Any]
    domain: tuple[tuple[str, str], ...]
    degree: tuple[int, int]
    kinks: tuple[str, ...] = ()


UNIT, WIDE, GAP = (("-1", "1"),), (("-8", "8"),), (("-1", "-0.05"), ("0.05", "1"))
FORMS: dict[str, tuple[str, Callable[[Any, Any], Any], tuple[tuple[str, str], ...], tuple[str, ...]]] = {
    "abs": ("abs(x)", lambda x, m: abs(x), UNIT, ("0",)),
    "relu": ("max(x, 0)", lambda x, m: (x + abs(x)) / 2, UNIT, ("0",)),
    "exp": ("exp(x)", lambda x, m: m.exp(x), UNIT, ()),
    "tanh": ("tanh(x)", lambda x, m: m.tanh(x), WIDE, ()),
    "gelu": ("x/2*(1 + erf(x/sqrt(2)))", lambda x, m: x / 2 * (1 + m.erf(x / m.sqrt(x * 0 + 2))), WIDE, ()),
    "silu": ("x/(1 + exp(-x))", lambda x, m: x / (1 + m.exp(-x)), WIDE, ()),
    "softplus": ("log(1 + exp(x))", lambda x, m: m.log(1 + m.exp(x)), WIDE, ()),
    "sqrt": ("sqrt(x)", lambda x, m: m.sqrt(x), (("0", "1"),), ()),
    "sign_gap": ("sign(x)", lambda x, m: m.sign(x), GAP, ()),
    "jumprelu": (
        "where(x > 0.3, x, 0)",
        lambda x, m: x * (1 + m.sign(x - m.number("0.3"))) / 2,
        (("-1", "0.25"), ("0.35", "1")),
        (),
    ),
}


class Floats:
    """The functions for float64 arrays."""

    exp, tanh, sqrt, log, sign, erf, number = np.exp, np.tanh, np.sqrt, np.log, np.sign, scipy.special.erf, float


class Precise:
    """The functions for mpmath numbers."""

    exp, tanh, sqrt, log = mpmath.exp, mpmath.tanh, mpmath.sqrt, mpmath.log
    sign, erf, number = mpmath.sign, mpmath.erf, mpmath.mpf


class Result(NamedTuple):
    """Largest error, seconds, and what is to be said where there is no result."""

    error: Any = None
    seconds: float = 0.0
    note: str = ""


def cases() -> dict[str, Case]:
    """The 19 cases of the table of peers."""
    table = json.loads((ROOT.parent / "shared" / "data" / "approx_peers.json").read_text())["cases"]
    out = {}
    for name, entry in table.items():
        expression, function, domain, kinks = FORMS[name.rsplit("_", 2)[0]]
        out[name] = Case(expression, function, domain, (entry["type"][0], entry["type"][1]), kinks)
    return out


# -- the error of a result -------------------------------------------------------------------------------------------


def exactly(value: Any) -> mpmath.mpf:
    """A float64, gmpy2 number or fraction without rounding (within the working precision)."""
    top, bottom = value.as_integer_ratio()
    return mpmath.mpf(int(top)) / int(bottom)


def barycentric(nodes: Any, values: Any, weights: Any) -> Callable[[mpmath.mpf], mpmath.mpf]:
    """The function with these parameters, in mpmath."""
    parameters = [(exactly(z), exactly(f), exactly(w)) for z, f, w in zip(nodes, values, weights, strict=True)]

    def r(x: mpmath.mpf) -> mpmath.mpf:
        top = bottom = mpmath.mpf(0)
        for z, f, w in parameters:
            if x == z:
                return f
            share = w / (x - z)
            top, bottom = top + share * f, bottom + share
        return top / bottom if bottom else mpmath.inf

    return r


def largest_error(case: Case, r: Callable[[mpmath.mpf], mpmath.mpf], count: int = 3001) -> mpmath.mpf:
    """The largest error, as the head of this file says."""

    def error(x: mpmath.mpf) -> mpmath.mpf:
        return abs(case.function(x, Precise) - r(x))

    close = [mpmath.mpf(10) ** (mpmath.mpf(-k) / 4) for k in range(8, 81)]
    shares = [(1 - mpmath.cos(mpmath.pi * k / (count - 1))) / 2 for k in range(count)]
    shares = sorted({*shares, *close, *(1 - v for v in close)})
    best = mpmath.mpf(0)
    for low, high in case.domain:
        ends = [mpmath.mpf(v) for v in (low, *(k for k in case.kinks if float(low) < float(k) < float(high)), high)]
        for a, b in pairwise(ends):
            x = [a + (b - a) * v for v in shares[:-1]] + [b]
            e = [error(v) for v in x]
            tops = [k for k in range(1, len(x) - 1) if e[k] >= e[k - 1] and e[k] >= e[k + 1]]
            best = max(best, *e)
            for k in sorted(tops, key=lambda k: -e[k])[:6]:
                best = max(best, _refined(error, x[k - 1], x[k + 1]))
    return best


def _refined(error: Callable[[mpmath.mpf], mpmath.mpf], low: mpmath.mpf, high: mpmath.mpf) -> mpmath.mpf:
    best = mpmath.mpf(0)
    for _ in range(30):
        a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        at_a, at_b = error(a), error(b)
        best = max(best, at_a, at_b)
        low, high = (low, b) if at_a > at_b else (a, high)
    return best


# -- the five of them ------------------------------------------------------------------------------------------------


def timed(call: Callable[[], Any], runs: int) -> tuple[Any, float]:
    """The last result, and the median of the wall times."""
    seconds = []
    result = None
    for _ in range(runs):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
        if seconds[0] > 3:  # long enough to be measured once
            break
    return result, statistics.median(seconds)


def ours(case: Case) -> tuple[Result, mpmath.mpf]:
    """Our result, and the proved lower bound of the best error."""
    found, seconds = timed(lambda: fit(case.expression, case.degree, case.domain), 3)
    return Result(largest_error(case, found.rational), seconds), exactly(certify(found).best_lower)


def aaa(case: Case) -> Result:
    """SciPy's AAA on 1001 Chebyshev points of each interval, with as many terms as the type allows."""
    x, y = _grid(case)
    terms = max(case.degree) + 1 if case.degree[0] == case.degree[1] else min(case.degree) + 1
    r, seconds = timed(lambda: scipy.interpolate.AAA(x, y, rtol=0, max_terms=terms), 3)
    return Result(largest_error(case, barycentric(r.support_points, r.support_values, r.weights)), seconds)


def lawson(case: Case) -> Result:
    """AAA-Lawson on the same points, with as many terms as the larger degree."""
    x, y = _grid(case)
    r, seconds = timed(lambda: aaa_lawson(x, y, max(case.degree) + 1), 3)
    parameters = [(exactly(z), exactly(a), exactly(b)) for z, a, b in zip(*r, strict=True)]

    def value(at: mpmath.mpf) -> mpmath.mpf:
        hit = [a / b for z, a, b in parameters if z == at]
        if hit:
            return hit[0]
        top, bottom = (mpmath.fsum(each[k] / (at - each[0]) for each in parameters) for k in (1, 2))
        return top / bottom if bottom else mpmath.inf

    return Result(largest_error(case, value), seconds)


def _grid(case: Case) -> tuple[np.ndarray, np.ndarray]:
    shares = (1 - np.cos(np.linspace(0, np.pi, 1001))) / 2
    x = np.concatenate([float(a) + (float(b) - float(a)) * shares for a, b in case.domain])
    return x, case.function(x, Floats)


def brasil(case: Case) -> Result:
    """baryrat's `brasil` at its default settings."""
    baryrat = importlib.import_module("baryrat")
    if len(case.domain) > 1:
        return Result(note="one interval only")
    ends = tuple(float(v) for v in case.domain[0])
    r, seconds = timed(lambda: baryrat.brasil(lambda x: case.function(x, Floats), ends, case.degree), 3)
    return Result(largest_error(case, barycentric(r.nodes, r.values, r.weights)), seconds)


def brane(case: Case) -> Result:
    """baryrat's `brane` in 60 digits, with derivatives to 40, to a deviation of 1e-6."""
    baryrat, flamp, gmpy2 = (importlib.import_module(name) for name in ("baryrat", "flamp", "gmpy2"))
    if len(case.domain) > 1:
        return Result(note="one interval only")

    class Multiple:
        number = gmpy2.mpfr

    for name in ("exp", "tanh", "sqrt", "log", "erf"):
        setattr(Multiple, name, staticmethod(np.frompyfunc(getattr(gmpy2, name), 1, 1)))
    flamp.set_dps(BRANE_DIGITS)
    ends, step = tuple(float(v) for v in case.domain[0]), gmpy2.mpfr("1e-20")

    def f(x: Any) -> Any:
        return case.function(x, Multiple)

    def slope(x: Any) -> Any:
        return (f(x + step) - f(x - step)) / (2 * step)

    r, seconds = timed(lambda: baryrat.brane(f, slope, ends, case.degree, tol=1e-6, maxiter=60), 1)
    return Result(largest_error(case, barycentric(r.nodes, r.values, r.weights)), seconds)


PEERS = {
    "SciPy AAA": (aaa, ()),
    "AAA-Lawson": (lawson, ()),
    "brasil": (brasil, ("baryrat",)),
    "brane": (brane, ("baryrat", "flamp", "gmpy2")),
}


def attempted(peer: Callable[[Case], Result], case: Case) -> Result:
    """A peer's result, or what it said."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return peer(case)
    except Exception as failure:  # whatever a peer raises is its result
        return Result(note=f"{type(failure).__name__}: {failure}"[:60])


def cell(result: Result, best: mpmath.mpf, seconds: float) -> str:
    """Error over best, and time over ours."""
    if result.error is None:
        return f"{result.note} | -"
    ratio = result.error / best
    shown = f"{float(ratio):.6f}" if ratio < 10 else mpmath.nstr(ratio, 2)
    return f"{shown} | {result.seconds / seconds:.1f}"


def main() -> None:
    """Run, print, and write the table."""
    parser = argparse.ArgumentParser(description="fit side by side with peers")
    parser.add_argument("names", nargs="*", help="cases to run (default: all)")
    parser.add_argument("--write", type=Path, help="the page to write the table into, between its markers")
    asked = parser.parse_args()
    known = cases()
    chosen = {name: known[name] for name in asked.names} or known
    peers = {name: peer for name, (peer, needs) in PEERS.items() if all(map(importlib.util.find_spec, needs))}
    fit("exp(x)", (2, 2), (-1, 1))  # what is imported on the first call belongs to no case
    mpmath.mp.dps = 50
    lines, mine, rows = [], [], []
    for name, case in chosen.items():
        own, best = ours(case)
        results = {peer: attempted(call, case) for peer, call in peers.items()}
        rows.append((own, best, results))
        mine.append(own.seconds)
        cells = " | ".join(cell(result, best, own.seconds) for result in results.values())
        ratio = float(own.error / best)
        lines.append(f"| {name} | {mpmath.nstr(best, 8)} | {ratio:.9f} | {1e3 * own.seconds:.0f} | {cells} |")
        print(lines[-1], flush=True)
    counts = [f"ours solves {sum(own.error / best <= SOLVED for own, best, _ in rows)} of {len(rows)}"]
    for peer in peers:
        good = [
            (own, results[peer])
            for own, best, results in rows
            if results[peer].error is not None and results[peer].error / best <= SOLVED
        ]
        faster = sum(own.seconds < other.seconds for own, other in good)
        counts.append(f"{peer} solves {len(good)} (ours is faster on {faster} of these)")
    heads = " | ".join(f"{peer}, error | time" for peer in peers)
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    text = f"""All in one run, on {versions}. *Error*: largest error over the best possible one, which is
proved. *Time*: over ours, which is in milliseconds (median of three, start included, at default settings; median of
all cases {1e3 * statistics.median(mine):.0f}, largest {1e3 * max(mine):.0f}). An error within
{SOLVED} of the best counts as solved: {"; ".join(counts)}.

| case | best error | ours, error | ms | {heads} |
|---|---|---|---|{"---|---|" * len(peers)}
"""
    text += "\n".join(lines) + "\n"
    print(text)
    if asked.write:
        page = asked.write.read_text()
        before, rest = page.split(BEGIN)
        provenance.write(
            asked.write, before + BEGIN + "\n" + text + END + rest.split(END)[1], "tests.benchmarks.fit.approximation"
        )


if __name__ == "__main__":
    main()
