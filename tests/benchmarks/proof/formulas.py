"""Which formulas that a user would write does `implement` find? ``docs/measured/formulas.md``.

    python -m tests.benchmarks.proof.formulas FOLDER [--format float32 ...] [--part 0/4] [--only FORMULA ...]
    python -m tests.benchmarks.proof.formulas FOLDER --write BEFORE

Formulas are those of `LITERATURE`, by kind, and `SEEDED` random compositions of exp, log, sin, sqrt, tanh, erf, powers,
where and abs with shifts, scales and products, the same each time. Each is asked for within 1 ulp in a process of its
own, and the independent verifier is asked for what was found. FOLDER keeps a line of JSON a formula, so that a run goes
on from what it has; ``--write`` makes the page of it and of BEFORE, the folder of another version.
"""

import argparse
import json
import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path

from tests import provenance

PAGE = Path(__file__).resolve().parents[3] / "docs" / "measured" / "formulas.md"
SECONDS = 300
"""A formula that takes longer is not found."""
LITERATURE = {
    "activations": (
        "x * sigmoid(1.702 * x)",
        "x / (1 + abs(x))",
        "x / sqrt(1 + x^2)",
        "x * tanh(log(1 + exp(x)))",
        "log(1 + exp(x))",
        "1.7159 * tanh(2 * x / 3)",
        "tanh(x) + 0.1 * x",
        "max(x, 0) + min(exp(x) - 1, 0)",
        "where(x > 0, x, 0.01 * x)",
        "x * atan(x)",
        "x * erf(x)",
        "exp(-x^2)",
        "1 - exp(-x^2)",
        "x + sin(x)^2",
        "x * exp(-x^2 / 2)",
        "sin(x) / x",
        "x * sigmoid(x) + 0.5 * tanh(x)",
        "atan(x) * 2 / pi",
        "x - tanh(x)",
        "log(x + sqrt(x^2 + 1))",
        "max(0, x)^2",
        "sqrt(max(x, 0))",
        "0.5 * x * (1 + tanh(0.7978845608 * (x + 0.044715 * x^3)))",
        "exp(x) / (exp(x) + 1)^2",
        "sigmoid(x) * (1 - sigmoid(x))",
        "x^3 / (1 + x^2)",
        "where(x > 0, 1 - exp(-x), exp(x) - 1)",
        "max(x, 0) - 0.1 * min(x, 0)",
        "clip(x, -1, 1)^3",
        "x * min(max(x + 3, 0), 6) / 6",
        "x * log(1 + tanh(exp(x)))",
        "erf(x / sqrt(2))",
        "exp(-abs(x))",
        "tanh(x)^2",
        "x * tanh(exp(x))",
        "softplus(x) - log(2)",
        "x * tanh(softplus(2 * x))",
        "x * sigmoid(0.5 * x)",
        "x + sin(2 * x)^2 / 2",
        "x / (1 + exp(-1.702 * x))",
        "0.5 * (1 + erf((x - 1) / sqrt(2)))",
        "atan(x / (1 + abs(x)))",
        "sinc(x)",
        "sign(x) * sqrt(abs(x))",
        "sign(x) * (sqrt(1 + abs(x)) - 1)",
        "x * erfc(-x / sqrt(2)) / 2",
        "where(x > 0, x, 1.67326 * (exp(x) - 1)) * 1.0507",
        "sqrt(x^2 + 1) + x",
        "(x + sqrt(x^2 + 4)) / 2",
        "tanh(x / 2)",
        "sin(x) * sigmoid(x)",
        "tanh(x) * softplus(x)",
        "sigmoid(x) * tanh(x)",
        "2 * atan(tanh(x / 2))",
        "(x + sqrt(x^2 + 1)) / 2",
        "x * erf(softplus(x))",
        "x * tanh(gelu(x))",
        "x * tanh(log(1 + sigmoid(x)))",
        "x * (1 + erf(x)) / 2",
        "where(x > 0, x, x / (1 + abs(x)))",
        "where(x < 0, x / sqrt(1 + x^2), x)",
        "(sqrt(x^2 + 1) - 1) / 2 + x",
        "x * (1 + x / sqrt(1 + x^2)) / 2",
        "x * (1 + x / (1 + abs(x))) / 2",
        "x * clip((x + 1) / 2, 0, 1)",
        "clip(0.2 * x + 0.5, 0, 1)",
        "max(-1, min(1, x))",
        "x * clip(0.16666667 * x + 0.5, 0, 1)",
        "log((1 + exp(x)) / (1 + exp(x - 1)))",
        "softplus(10 * x) / 10",
        "x * sigmoid(x) * sigmoid(x)",
        "sigmoid(x) * (1 + x * (1 - sigmoid(x)))",
        "(1 - exp(-x)) / (1 + exp(-x))",
        "max(x, 0) + 0.25 * min(x, 0)",
        "where(x > 0, x, exp(x) - 1) * sigmoid(x)",
        "x * exp(-abs(x))",
        "exp(-(x - 1)^2 / 2)",
        "tanh(x)^3",
        "x^2 * sigmoid(x)",
        "x * softplus(x)",
        "sign(x) * log(1 + abs(x)) + 0.1 * x",
        "x * (1 - exp(-exp(x)))",
        "x * atan(exp(x)) * 2 / pi",
        "min(max(x, 0), 6)",
        "where(abs(x) < 0.5, 0, x)",
        "sign(x) * max(abs(x) - 0.5, 0)",
        "1 / cosh(x)^2",
        "max(x, 0)^3",
        "tanh(x) / (1 + abs(x))",
    ),
    "losses": (
        "log(cosh(x))",
        "sqrt(1 + x^2) - 1",
        "log(1 + x^2)",
        "x^2 / (1 + x^2)",
        "where(abs(x) < 1, x^2 / 2, abs(x) - 0.5)",
        "log(1 + exp(-x))",
        "max(0, 1 - x)",
        "1 - tanh(x)^2",
        "abs(x) - log(1 + abs(x))",
        "x * log(x)",
        "x^2 * log(x)",
        "log(2 + exp(x))",
        "exp(x) - x - 1",
        "x - log(x)",
        "1 - cos(x)",
        "log(abs(x))",
        "log(x^2)",
        "-log(sigmoid(x))",
        "x * log(x) - x",
        "log(1 + exp(-x)) * sigmoid(x)",
        "max(x, 0)^2 - 0.5",
        "(1 - sigmoid(x))^2 * log(sigmoid(x))",
        "-x * log(x) - (1 - x) * log(1 - x)",
        "log(x / (1 - x))",
        "log((1 + x) / (1 - x))",
        "log(x) - log(1 - x)",
        "log(1 + exp(x)) - x",
        "log(1 + x + x^2)",
        "max(x, 0) + log(1 + exp(-abs(x)))",
        "log(1 + exp(x)) / (1 + exp(x))",
        "1 - (1 - exp(-x))^2",
        "log(exp(x) - 1)",
        "log(1 + abs(x)^3)",
        "sqrt(1 + (x / 0.5)^2) * 0.25 - 0.25",
        "where(abs(x) < 0.5, 0.5 * x^2, 0.5 * (abs(x) - 0.25))",
        "1 - exp(-x^2 / 2)",
        "log(1 + x^2 / 2)",
        "2 * x^2 / (x^2 + 4)",
        "log((exp(x) + exp(-x)) / 2)",
        "max(0, 1 - x)^2",
        "x + log(1 + exp(-2 * x)) - log(2)",
        "-log(1 - x)",
        "x * log(x) + (1 - x) * log(1 - x)",
        "(exp(x) + exp(-x)) / 2 - 1",
        "x * log(x) / log(2)",
    ),
    "sines": (
        "sin(x + 1)",
        "cos(x - 0.5)",
        "sin(2 * x + 3)",
        "sin(pi * x + pi / 4)",
        "sin(x) + cos(x)",
        "3 * sin(x) - 4 * cos(x)",
        "sin(x)^2",
        "sin(x) * cos(x)",
        "sin(x^2)",
        "cos(3 * x)",
        "exp(x) * sin(x)",
        "exp(-abs(x)) * cos(x)",
        "exp(-x^2) * cos(5 * x)",
        "2 + sin(x)",
        "x * sin(x)",
        "x + sin(x)",
        "x - sin(x)",
        "sin(x) * sin(3 * x)",
        "sin(tanh(x))",
        "cos(exp(-x^2))",
        "sin(exp(x))",
        "sin(30 * x)",
        "cos(x) / (2 + sin(x))",
        "sin(x) + sin(2 * x)",
        "exp(-x) * sin(x)",
        "cos(x) * exp(-x^2 / 2)",
    ),
    "elementary": (
        "acos(x)",
        "asin(x)",
        "atan(x + 1)",
        "atan(1 / x)",
        "erfc(x)",
        "exp(x) - 2",
        "exp(2 * x + 1)",
        "2^x",
        "10^x",
        "log(3 * x)",
        "log(x + 2)",
        "log(x) / x",
        "log(1 - x)",
        "sqrt(x^2 - 1)",
        "sqrt(1 - x^2)",
        "1 / (1 + x)",
        "1 / x",
        "1 / x^2",
        "x^2 - 2",
        "x^3 - x - 1",
        "x^0.3",
        "x^x",
        "(exp(x) - 1) / x",
        "log(1 + x) / x",
        "sinh(x) / x",
        "tanh(x) / x",
        "x / (exp(x) - 1)",
        "1 / cosh(x)",
        "1 / (1 + exp(x))^2",
        "log(abs(sin(x)))",
        "sqrt(abs(x))",
        "abs(x)^1.5",
        "exp(1 / x)",
        "exp(-1 / x^2)",
        "log(log(x))",
        "atanh(tanh(x) / 2)",
        "asinh(x) / x",
        "exp(sin(x))",
        "log(2 + cos(x))",
        "where(x > 0, log(x), 0)",
        "where(x > 0, x * log(x), 0)",
        "where(abs(x) < 1, acos(x), 0)",
        "cosh(x) - 1",
        "sinh(x)",
        "exp(x)^2",
        "exp(exp(x))",
        "exp(-exp(x))",
        "log(1 + sqrt(abs(x)))",
        "sqrt(x^2 + x + 1)",
        "x * sqrt(1 + x^2)",
        "sign(x) * log(1 + abs(x))",
        "loggamma(x)",
        "gamma(x)",
        "x * exp(x)",
        "x^2 * exp(-x)",
        "exp(x) / (1 + exp(x))",
        "1 / (1 + x^2)",
        "1 / sqrt(1 + x^2)",
        "(1 - exp(-x)) / x",
        "x / (exp(x) + exp(-x))",
        "1 / (exp(x) - 1)",
        "x^2 / (exp(x) - 1)",
        "exp(-1 / x)",
        "acos(1 - x)",
        "atan(exp(x))",
        "erf(x) * exp(-x^2)",
        "x * abs(x) / (1 + x^2)",
        "exp(x) * erfc(x)",
        "exp(-x^2 / 2) / sqrt(2 * pi)",
        "1 / (pi * (1 + x^2))",
        "exp(-abs(x)) / 2",
        "exp(-x - exp(-x))",
        "x * exp(-x^2 / 2) * max(sign(x), 0)",
        "exp(-(log(x))^2 / 2) / x",
        "x^3 / (exp(x) - 1)",
        "1 / (exp(x) + 1)",
        "1 / tanh(x) - 1 / x",
        "x / tanh(x)",
        "x^2 * exp(x) / (exp(x) - 1)^2",
        "(x / sinh(x))^2",
        "exp(-x) / x",
        "x / (1 - exp(-x))",
        "4 * (1 / x^12 - 1 / x^6)",
        "(1 - exp(-(x - 1)))^2",
        "log(1 + 10^x)",
        "1 / (1 + x^4)",
        "x^1.5 * exp(-x)",
        "sqrt(x) * exp(-x)",
        "1 / sqrt(x)",
        "log(x) / log(2)",
        "10 * log(x) / log(10)",
        "x^0.4166666667 * 1.055 - 0.055",
        "where(x <= 0.0031308, 12.92 * x, 1.055 * x^0.4166666667 - 0.055)",
        "where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055)^2.4)",
        "1 - sqrt(1 - x^2)",
        "sqrt(x + 1) - sqrt(x)",
        "sqrt(1 + x) - 1",
        "(1 + x)^0.3333333333 - 1",
        "erf(x) / x",
        "atan(x) / x",
        "(1 - cos(x)) / x^2",
        "(x - sin(x)) / x^3",
        "3 * (sin(x) - x * cos(x)) / x^3",
        "tan(x)",
        "1 / sin(x)",
        "sin(pi * x) / (pi * x)",
        "cos(x)^2",
        "abs(sin(x))",
        "cos(2 * pi * x) * exp(-x^2)",
    ),
}
"""Formulas from papers and from library code, by kind."""
SEEDED, DRAWN = 60, 20
"""Random compositions, and random formulas of each family."""


def composed(count: int, seed: int = 0) -> list[str]:
    """Random formulas, the same for the same seed.

    >>> composed(2) == composed(3)[:2]
    True
    """
    draw = random.Random(seed)
    functions = ("exp", "log", "sin", "cos", "sqrt", "tanh", "erf", "sigmoid", "softplus", "atan", "abs", "log1p")
    numbers = ("0.5", "2", "3", "0.1", "1.5", "pi", "0.25")

    def argument() -> str:
        a, b = draw.choice(numbers), draw.choice(numbers)
        return draw.choice(["x", "x", "x", f"{a} * x", f"x + {a}", f"x - {a}", f"{a} * x + {b}", "-x", "abs(x)", "x^2"])

    def simple() -> str:
        return f"{draw.choice(functions)}({argument()})"

    def formula() -> str:
        a, b, c = simple(), simple(), draw.choice(numbers)
        return draw.choice(
            [
                a,
                f"x * {a}",
                f"{a} * {b}",
                f"{a} + {c}",
                f"{a} + {b}",
                f"{draw.choice(functions)}({a})",
                f"{draw.choice(functions)}({c} + {a})",
                f"{a} / (1 + {b}^2)",
                f"where(x > {c}, {a}, {b})",
                f"({a})^2",
                f"x * {draw.choice(functions)}({a})",
                f"exp(-x^2) * {a}",
                f"{a} - {b}",
            ]
        )

    return [formula() for _ in range(count)]


def families(kind: str, count: int, seed: int = 0) -> list[str]:
    """Random formulas of a kind that once went wrong, the same for the same seed: functions of what a maximum, minimum
    or clip keeps inside their domain (``guarded``), sums of two activations (``sums``), polynomials and others that
    have zeros between numbers (``crossing``), logarithms times powers that vanish with them (``logarithms``), sines
    with scales, shifts and factors (``waves``), and inverse functions of a line (``inverse``).

    >>> families("guarded", 2) == families("guarded", 3)[:2]
    True
    """
    draw = random.Random(f"{kind} {seed}")
    one = lambda *given: draw.choice(given)  # noqa: E731
    c = lambda: one("0.1", "0.5", "2", "3", "1.5", "0.25", "0.7")  # noqa: E731
    activations = ("x * sigmoid(x)", "tanh(x)", "softplus(x)", "erf(x)", "x * erf(x)", "atan(x)", "max(x, 0)", "abs(x)")
    activations += ("sigmoid(x)", "x * tanh(x)", "x / (1 + abs(x))", "x * exp(-x^2)", "max(x, 0)^2", "log1p(abs(x))")

    def guarded() -> str:
        positive = one(
            "max(x, 0)", "abs(x)", f"max(x, {c()})", f"max(x - {c()}, 0)", "max(-x, 0)", f"clip(x, 0, {c()})"
        )
        inside = one(
            "clip(x, -1, 1)", "min(max(x, -1), 1)", "min(abs(x), 1)", "max(min(x, 1), 0)", "x / max(abs(x), 1)"
        )
        outside = one("max(x, 1)", "max(abs(x), 1)", "1 + max(x, 0)", "1 + abs(x)")
        return one(
            f"sqrt({positive})",
            f"({positive})^{one('1.5', '0.5', '0.3', '2', '3')}",
            f"log1p({positive})",
            f"log({c()} + {positive})",
            f"{one('asin', 'acos', 'exp')}({inside})",
            f"{one('acosh', 'log', 'sqrt')}({outside})",
            f"x * sqrt({positive})",
            f"{c()} * sqrt({positive}) - {c()}",
            f"where(x > {c()}, sqrt(x), {one('x', '0', 'exp(x)')})",
        )

    def sums() -> str:
        a, b = one(*activations), one(*activations)
        return f"{one('', f'{c()} * ')}{a} {one('+', '+', '-')} {one('', f'{c()} * ')}{b}"

    def crossing() -> str:
        n = one(2, 3, 4)
        return one(
            f"x^{n} - {c()} * x" if n > 2 else f"x^2 - {c()}",
            f"(x - {c()}) * (x + {c()})",
            f"x^{n} + {c()} * x - {c()}",
            f"x * ({one('exp(x)', 'sqrt(1 + x^2)', 'log(2 + exp(x))')} - {c()})",
            f"{one('exp(x)', 'tanh(x)', 'softplus(x)', 'atan(x)', 'sigmoid(x)')} - {c()}",
            f"x * (x^2 - {c()})",
        )

    def logarithms() -> str:
        n = one("", "^2", "^3", "^0.5")
        return one(
            f"{one(f'x{n}' if n != '^0.5' else 'x', f'abs(x){n}')} * log(abs(x))",
            f"x{n} * log({c()} * x)",
            f"x * log(x) - {c()} * x",
            f"log(abs(x)) {one('*', '/')} {one('x', '(1 + x^2)', 'exp(x)')}",
            f"x * log({one('x^2', f'{c()} + x^2', 'abs(x)')})",
        )

    def waves() -> str:
        a, b = one("2", "3", "0.5", "pi", "0.7"), c()
        wave = f"{one('sin', 'cos')}({one('x', f'{a} * x', f'x + {b}', f'x - {b}', f'{a} * x + {b}')})"
        return one(
            wave, wave, f"{one('exp(x)', 'exp(-x)', 'exp(-x^2)', 'x', 'tanh(x)', 'sqrt(x)')} * {wave}", f"{wave}^2"
        )

    def inverse() -> str:
        a, b = c(), c()
        line = one("x", f"{a} * x", f"x + {b}", f"x - {b}", f"{a} * x + {b}", "x^2", "abs(x)", "1 + x^2", "1 / x")
        return f"{one('asinh', 'acosh', 'atanh', 'asin', 'acos', 'atan', 'log', 'sqrt')}({line})"

    made = {f.__name__: f for f in (guarded, sums, crossing, logarithms, waves, inverse)}[kind]
    return [made() for _ in range(count)]


FAMILIES = ("guarded", "sums", "crossing", "logarithms", "waves", "inverse")


def formulas() -> dict[str, str]:
    """Every formula with its kind."""
    out = {each: kind for kind, group in LITERATURE.items() for each in group}
    out |= {each: "composed" for each in composed(SEEDED) if each not in out}
    return out | {each: kind for kind in FAMILIES for each in families(kind, DRAWN) if each not in out}


def tried(formula: str, format: str) -> dict[str, object]:
    """What came of one formula."""
    import rational_approx as ra

    began = time.process_time()
    try:
        found = ra.implement(formula, format=format, time_limit=SECONDS)
    except (ArithmeticError, ValueError) as problem:
        kind = "refused" if isinstance(problem, ra.NoKernel | ValueError) else "crashed"
        return {"outcome": kind, "seconds": time.process_time() - began, "reason": str(problem)}
    except Exception as problem:
        return {"outcome": "crashed", "seconds": time.process_time() - began, "reason": repr(problem)}
    made = time.process_time()
    outcome = ra.verify(found, seconds=120)
    return {
        "outcome": "found" if outcome.outcome == "verified" else f"not verified: {outcome}",
        "ulp": float(found.facts.ulp),
        "operations": found.operations,
        "seconds": made - began,
        "verify": time.process_time() - made,
    }


def _child(formula: str, format: str, out: "multiprocessing.Queue[dict[str, object]]") -> None:
    out.put(tried(formula, format))


def apart(formula: str, format: str) -> dict[str, object]:
    """The same in a process of its own, which is ended where it hangs."""
    context = multiprocessing.get_context("fork")
    out: multiprocessing.Queue[dict[str, object]] = context.Queue()
    child = context.Process(target=_child, args=(formula, format, out))
    child.start()
    try:
        return out.get(timeout=2 * SECONDS)
    except Exception:
        return {"outcome": "crashed", "seconds": 2.0 * SECONDS, "reason": "no answer"}
    finally:
        child.kill()
        child.join()


def run(folder: Path, format: str, part: tuple[int, int], names: list[str]) -> None:
    """Try the formulas that the folder does not have yet."""
    import rational_approx.commands  # noqa: F401  # before the processes are made

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{format}-{part[0]}.jsonl"
    have = {entry["formula"] for entry in results(folder, format)}
    for number, (formula, kind) in enumerate(formulas().items()):
        if number % part[1] != part[0] or formula in have or (names and formula not in names):
            continue
        entry = {"formula": formula, "kind": kind, **apart(formula, format)}
        with path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(format, json.dumps(entry)[:230], flush=True)


def results(folder: Path, format: str) -> list[dict]:
    """What a folder has of a format."""
    lines = [line for path in sorted(folder.glob(f"{format}-*.jsonl")) for line in path.read_text().splitlines()]
    return list({entry["formula"]: entry for entry in map(json.loads, lines)}.values())


def counted(entries: list[dict]) -> str:
    """How many were found, by kind and in all."""
    kinds = Counter(entry["kind"] for entry in entries)
    found = Counter(entry["kind"] for entry in entries if entry["outcome"] == "found")
    parts = [f"{kind} {found[kind]} of {kinds[kind]}" for kind in (*LITERATURE, "composed", *FAMILIES) if kinds[kind]]
    return f"{sum(found.values())} of {len(entries)}: {', '.join(parts)}"


def page(before: Path, after: Path, formats: list[str]) -> str:
    """The table: what this version makes of formulas, and what another one made of those that it was asked for."""
    lines = ["| formula | format | before | now | seconds | to verify |", "|---|---|---|---|---|---|"]
    summary = []
    for format in formats:
        old, new = ({entry["formula"]: entry for entry in results(folder, format)} for folder in (before, after))
        asked = [formula for formula in formulas() if formula in new]
        if not asked:
            continue
        both = [formula for formula in asked if formula in old]
        was, now = (sum(side[formula]["outcome"] == "found" for formula in both) for side in (old, new))
        whole = counted([new[formula] for formula in asked])
        summary.append(f"{format}: {whole}. Of the {len(both)} asked before, {was} were found then, and {now} are now.")
        for formula in asked:
            entry, check = new[formula], new[formula].get("verify")
            seconds = f"{entry['seconds']:.1f} | {'' if check is None else f'{check:.1f}'}"
            lines.append(f"| {formula} | {format} | {outcome(old.get(formula))} | {outcome(entry)} | {seconds} |")
    return "\n".join([*summary, "", *lines, ""])


def outcome(entry: dict | None) -> str:
    """What came of a formula, in a cell of the table; nothing where it was not asked for."""
    if entry is None:
        return ""
    return f"{entry['ulp']:.3f} ulp" if entry["outcome"] == "found" else str(entry["outcome"]).split(":")[0]


def main() -> None:
    """Run, or write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--format", action="append")
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--write", type=Path, help="the folder of the version before: write the page")
    given = parser.parse_args()
    formats = given.format or ["float32", "bfloat16"]
    first, count = map(int, given.part.split("/"))
    if given.write:
        table = page(given.write, given.folder, formats)
        provenance.fill(PAGE, "measured", table, "tests.benchmarks.proof.formulas")
        return
    for format in formats:
        run(given.folder, format, (first, count), given.only)
        print(format, counted(results(given.folder, format)))


if __name__ == "__main__":
    main()
