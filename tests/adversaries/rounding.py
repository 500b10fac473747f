"""Try to exceed the proved bounds on rounding errors: exported code on random rationals, against exact arithmetic.

    python -m tests.adversaries.rounding [--count 20000] [--seed 1] [--first 0] [--jobs 1]
                                       [--write docs/measured/evaluation.md]

Each rational has one scheme, type and choice of fused multiply-add, and is run by everything that is installed: C by
gcc and clang (as exported, and once more contracted by the compiler, once more with subnormal numbers flushed to zero),
NumPy, PyTorch and JAX. A rational without a bound is counted apart and replaced by another. Every difference that
exceeds the bound stated in the code is printed, with the number of its case, and the exit code is 1. Of every fourth
case the verifier is asked, too: it must not confirm a bound that lies a millionth below the largest difference found.
"""

import argparse
import ctypes
import importlib.util
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from rational_approx import evaluation_error, export
from rational_approx.proof.code_claims import ROOM
from rational_approx.verifier.code import rounding_below
from rational_approx.verifier.reading import Failure, Late
from tests import provenance
from tests.adversaries.code_cases import Case, Run, fixed, inputs, largest, random_case

BEGIN, END = "<!-- refuted: begin -->", "<!-- refuted: end -->"
BATCH = 100
COMPILERS = {
    "C, gcc": ("gcc", "-O3", "-march=native"),
    "C, gcc, contracted": ("gcc", "-O2", "-march=native", "-ffp-contract=fast"),
    "C, gcc, flushed": ("gcc", "-O2", "-march=native", "-DFLUSH"),
    "C, clang": ("clang", "-O3", "-march=native"),
    "C, clang, contracted and flushed": ("clang", "-O1", "-march=native", "-ffp-contract=fast", "-DFLUSH"),
}


class Outcome(NamedTuple):
    """What became of one case in one language: the largest difference over the bound, exactly, and where."""

    index: int
    case: Case
    language: str
    ratio: float
    x: float
    points: int


# -- running code ----------------------------------------------------------------------------------------------------


def python(source: str, name: str, wrap: Callable[[Any], Any]) -> Run:
    space: dict[str, Any] = {}
    exec(source, space)
    return lambda x: np.asarray(space[name](wrap(x)))


def compiled(cases: dict[int, Case], sources: dict[int, str], label: str, folder: str) -> dict[int, Run]:
    """All functions of a batch in one file; contracted, without the lines that forbid it."""
    compiler, *flags = COMPILERS[label]
    text = "\n".join(sources.values())
    if "-ffp-contract=fast" in flags:
        text = re.sub(r"#pragma (STDC FP_CONTRACT|GCC optimize|float_control).*", "", text)
    lines = ["#include <xmmintrin.h>"]
    for index, case in cases.items():
        kind = "float" if case.dtype == "float32" else "double"
        lines += [
            f"void all{index}(const {kind} *x, {kind} *y, long n) {{",
            "unsigned before = _mm_getcsr();",
            "#ifdef FLUSH\n_mm_setcsr(before | 0x8040);\n#endif",
            f"for (long i = 0; i < n; i++) y[i] = r{index}(x[i]);",
            "_mm_setcsr(before); }",
        ]
    path = Path(tempfile.mkdtemp(dir=folder))
    (path / "r.c").write_text(text + "\n".join(lines) + "\n")
    command = [compiler, *flags, "-w", "-shared", "-fPIC", "r.c", "-o", "r.so", "-lm"]
    subprocess.run(command, cwd=path, check=True)
    library = ctypes.CDLL(str(path / "r.so"))

    def call(index: int) -> Run:
        def run(x: np.ndarray) -> np.ndarray:
            y = np.empty_like(x)
            pointer = ctypes.c_void_p
            library[f"all{index}"](x.ctypes.data_as(pointer), y.ctypes.data_as(pointer), ctypes.c_long(x.size))
            return y

        return run

    return {index: call(index) for index in cases}


def installed() -> list[str]:
    """The languages that can run here."""
    found = [label for label, command in COMPILERS.items() if shutil.which(command[0])]
    libraries = {"PyTorch": "torch", "JAX, compiled": "jax"}
    return [*found, "NumPy", *(name for name, module in libraries.items() if importlib.util.find_spec(module))]


def batch(seed: int, indices: range, counts: Counter[str], languages: list[str]) -> Iterator[Outcome]:
    """The outcomes of some cases in all languages; ``counts`` of cases without a bound."""
    cases, sources, bounds = {}, {}, {}
    with patch("rational_approx.shipping.source_code.evaluation_error", lru_cache(maxsize=4)(evaluation_error)):
        for index in indices:
            rng = np.random.default_rng([seed, index])
            while index not in cases:
                case = fixed()[index] if index < len(fixed()) else random_case(rng)
                try:
                    source = {
                        "c": export(
                            case.rational, "c", scheme=case.scheme, dtype=case.dtype, fma=case.fma, name=f"r{index}"
                        )
                    }
                except (ArithmeticError, ValueError) as reason:
                    counts["no bound" if isinstance(reason, ArithmeticError) else "out of range"] += 1
                    continue
                for language in () if case.fma else ("numpy", "pytorch", "jax"):
                    source[language] = export(case.rational, language, scheme=case.scheme, dtype=case.dtype, name="r")
                stated = re.search(r"computed - r\) <= (\S+)", source["c"])
                assert stated
                cases[index], sources[index], bounds[index] = case, source, Fraction(stated[1])
        points = {index: inputs(case, np.random.default_rng([seed, index, 1])) for index, case in cases.items()}
    ratios: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for language in languages:
            if language in COMPILERS:
                runs = compiled(cases, {index: source["c"] for index, source in sources.items()}, language, folder)
            else:
                plain = {index: source for index, source in sources.items() if not cases[index].fma}
                runs = {index: _run(source, language) for index, source in plain.items()}
            for index, run in runs.items():
                found = largest(cases[index], run, points[index], bounds[index])
                ratios[index] = max(ratios.get(index, 0), found[0])
                yield Outcome(index, cases[index], language, *found)
    for index in list(cases)[::4]:
        counts["asked"] += 1
        counts["confirmed"] += confirmed(cases[index], bounds[index] * ROOM)
        if 0 < ratios.get(index, 0) < float("inf"):
            counts["wrong"] += confirmed(cases[index], bounds[index] * Fraction(ratios[index] * (1 - 1e-6)))


def confirmed(case: Case, bound: Fraction) -> bool:
    """Whether the verifier confirms a bound."""
    rational, deadline = case.rational, time.monotonic() + 10
    hull = [rational.domain.lower, rational.domain.upper]
    sides = list(rational.numerator), list(rational.denominator)
    code = rational.basis, hull, list(rational.domain.intervals), case.dtype, case.scheme, case.fma
    try:
        return rounding_below(*sides, *code, lambda lower, upper: Fraction(1), bound, deadline)
    except (Failure, Late):
        return False


def _run(source: dict[str, str], language: str) -> Run:
    if language == "NumPy":
        return python(source["numpy"], "r", lambda x: x)
    if language == "PyTorch":
        import torch

        return python(source["pytorch"], "r", torch.from_numpy)
    import jax

    jax.config.update("jax_enable_x64", True)
    space: dict[str, Any] = {}
    exec(source["jax"], space)
    fast = jax.jit(space["r"])

    def run(x: np.ndarray) -> np.ndarray:
        padded = np.resize(x, 1024 * -(-x.size // 1024))  # of few lengths, each of which is compiled
        return np.asarray(fast(padded))[: x.size]

    return run


def table(outcomes: list[Outcome], counts: Counter[str], seed: int) -> str:
    """What was tried, in Markdown."""
    cases = {outcome.index: outcome.case for outcome in outcomes}
    exceeded = sum(outcome.ratio > 1 for outcome in outcomes)
    known = sum(index < len(fixed()) for index in cases)
    out = [
        f"{len(cases)} rationals (seed {seed}; {known} of them broke the bound once), each with one "
        f"scheme, type and choice of fused multiply-add, in {len(outcomes)} runs: one rational in one language. "
        f"{counts['no bound']} more had no bound, and {counts['out of range']} a constant beyond the type. "
        f"{sum(o.points for o in outcomes)} evaluations. Bounds exceeded: **{exceeded}**. "
        f"The verifier was asked about {counts['asked']} of them: it confirmed {counts['confirmed']} bounds, 5% added, "
        f"and {counts['wrong']} bounds below the largest difference found.",
        "",
        "| language | rationals | largest difference over the bound | median | exceeded |",
        "|---|---|---|---|---|",
    ]
    groups: dict[str, list[float]] = {}
    for outcome in outcomes:
        case = outcome.case
        for group in (outcome.language, f"{case.scheme}{', fma' if case.fma else ''}, {case.dtype}"):
            groups.setdefault(group, []).append(outcome.ratio)
    names = [*(g for g in groups if g[0].isupper()), *sorted(g for g in groups if g[0].islower())]
    for name in names:
        ratios = np.array(groups[name])
        size = len(ratios) if name[0].isupper() else f"{len(ratios)} runs"
        out.append(f"| {name} | {size} | {ratios.max():.3f} | {np.median(ratios):.2f} | {(ratios > 1).sum()} |")
    return "\n".join(out)


def outcomes_of(seed: int, indices: range) -> tuple[list[Outcome], Counter[str]]:
    """One batch in a process of its own; the rationals come back without what they keep, which does not travel."""
    counts: Counter[str] = Counter()
    found = batch(seed, indices, counts, installed())
    return [o._replace(case=o.case._replace(rational=replace(o.case.rational))) for o in found], counts


def main() -> None:
    """Run the cases, print what exceeds its bound, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="batches that run at once")
    parser.add_argument("--write", type=Path, help="a page that has the marks, such as docs/measured/evaluation.md")
    chosen = parser.parse_args()
    counts: Counter[str] = Counter()
    outcomes: list[Outcome] = []
    end = chosen.first + chosen.count
    batches = [range(start, min(start + BATCH, end)) for start in range(chosen.first, end, BATCH)]
    with ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as pool:
        for found in as_completed([pool.submit(outcomes_of, chosen.seed, indices) for indices in batches]):
            part, more = found.result()
            outcomes, counts = outcomes + part, counts + more
            for outcome in part:
                if outcome.ratio > 1:
                    print(f"exceeded: {outcome}, {outcome.case.rational.numerator} {outcome.case.rational.denominator}")
            shown = table(outcomes, counts, chosen.seed)
            print(f"{shown.splitlines()[0]} Largest {max(o.ratio for o in outcomes):.4f}.", flush=True)
            if chosen.write:
                page = chosen.write.read_text(encoding="utf-8")
                inner = f"{BEGIN}\n{shown}\n{END}"
                provenance.write(
                    chosen.write, page.split(BEGIN)[0] + inner + page.split(END)[1], "tests.adversaries.rounding"
                )
    print(shown)
    raise SystemExit(int(counts["wrong"] > 0 or any(outcome.ratio > 1 for outcome in outcomes)))


if __name__ == "__main__":
    main()
