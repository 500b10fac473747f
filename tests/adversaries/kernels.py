"""Changed certificates of code for formulas against the verifier, and what each claim that it accepts is worth.

    python -m tests.adversaries.kernels [--seed 1] [--count 40] [--format float32] [--formula FORMULA ...] [--fma]
    python -m tests.adversaries.kernels --file tanh.json --sharp

Each certificate has one change: a constant by a unit or by more, an operation, an operand, a result, the end of a
piece, a claim, the target. Its hash is computed again. Some changes leave every statement true. So an accepted one is
*judged*: the operations are run here in NumPy, without the package, at numbers of all sizes, in runs beside zero, the
ends of pieces and the worst input, and the error is taken beside the formula in mpmath. One above the claim is a false
proof; the command ends with 1 if there is any. With ``--sharp`` a changed file claims a little less than the error
that was seen, and all else as it is: then whatever is accepted is false.
"""

import argparse
import copy
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

from rational_approx.shipping.documents import canonical_hash, document, number_text, read_number
from rational_approx.verifier import verify

__all__ = ["CHANGES", "FORMULAS", "Judged", "changed", "judged", "outputs", "sharpened", "truth_of", "worst_of"]

FORMULAS: tuple[str, ...] = (
    "log(2 + exp(x))",
    "sqrt(max(x, 0))",
    "x * sigmoid(x) + 0.5 * tanh(x)",
    "x^2 * log(abs(x))",
    "x^3 - 2 * x",
    "sin(x + 1)",
    "cos(2 * x - 0.5)",
    "sqrt(2) * sin(pi * x + pi / 4)",
    "acosh(x)",
    "where(x > 1 / 2, log(x), -x)",
    "x^x",
    "exp(1 / x)",
    "acos(x / max(abs(x), 1))",
    "log(exp(x) - 1)",
    "log(x / (1 - x))",
)
Change = Callable[[dict[str, Any], random.Random], None]
DIGITS = {"float64": 53, "float32": 24, "bfloat16": 8, "float16": 11}
TYPES: dict[str, Any] = {"float64": np.float64, "float32": np.float32}
LEAST = {"float32": -149, "bfloat16": -133, "float64": -1074}


# -- changes -----------------------------------------------------------------------------------------------------------


def _codes(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [*content["functions"], *content["pieces"]]


def _constants(content: dict[str, Any]) -> list[tuple[list[Any], int]]:
    """Places of constants in steps."""
    return [
        (step, k)
        for code in _codes(content)
        for step in code["steps"]
        for k, name in enumerate(step)
        if k and name != "x" and not name.startswith("v")
    ]


def _moved(text: str, draw: random.Random, format: str) -> str:
    """A constant moved by a unit in the last place, or by a power of two of them."""
    value, digits = read_number(text), DIGITS[format]
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length() if value else -60
    unit = Fraction(2) ** (exponent - digits + 1)
    by = draw.choice([1, 1, 2 ** draw.randrange(digits)]) * draw.choice([-1, 1])
    return number_text((round(value / unit) + by) * unit)


def unit_of_a_constant(content: dict[str, Any], draw: random.Random) -> None:
    step, k = draw.choice(_constants(content))
    step[k] = _moved(step[k], draw, content["inner"])


def another_constant(content: dict[str, Any], draw: random.Random) -> None:
    step, k = draw.choice(_constants(content))
    step[k] = draw.choice(
        ["0", "1", "2", "-1", number_text(-read_number(step[k])), number_text(read_number(step[k]) / 2)]
    )


def another_operation(content: dict[str, Any], draw: random.Random) -> None:
    places = [step for code in _codes(content) for step in code["steps"] if len(step) == 3]
    step = draw.choice(places)
    step[0] = draw.choice([op for op in ("add", "sub", "mul", "div") if op != step[0]])


def swapped_operands(content: dict[str, Any], draw: random.Random) -> None:
    step = draw.choice([step for code in _codes(content) for step in code["steps"] if len(step) == 3])
    step[1:] = step[:0:-1]


def another_operand(content: dict[str, Any], draw: random.Random) -> None:
    code = draw.choice([code for code in _codes(content) if code["steps"]])
    at = draw.randrange(len(code["steps"]))
    step = code["steps"][at]
    k = draw.randrange(1, len(step))
    step[k] = draw.choice(["x", "1", "0", *[f"v{j}" for j in range(at)]])


def another_result(content: dict[str, Any], draw: random.Random) -> None:
    code = draw.choice(_codes(content))
    if code["steps"]:
        code["result"] = draw.choice(["x", "0", *[f"v{j}" for j in range(len(code["steps"]))]])
    elif code["result"] not in ("nan", "x"):
        code["result"] = _moved(code["result"], draw, content["format"])


def moved_end(content: dict[str, Any], draw: random.Random) -> None:
    ends = [piece for piece in content["pieces"] if "inf" not in piece["upper"]]
    if not ends:
        return
    piece = draw.choice(ends)
    factor = draw.choice([Fraction(1, 2), Fraction(3, 4), Fraction(5, 4), 2, 4])
    near = _moved(piece["upper"], draw, content["format"])
    piece["upper"] = draw.choice([near, number_text(read_number(piece["upper"]) * factor), "0"])


def exchanged_results(content: dict[str, Any], draw: random.Random) -> None:
    """The code of a piece in the place of that of another one."""
    one, other = (draw.choice(content["pieces"]) for _ in range(2))
    one["steps"], one["result"] = copy.deepcopy(other["steps"]), other["result"]


def smaller_claim(content: dict[str, Any], draw: random.Random) -> None:
    facts = content["facts"]
    kind = draw.choice(["ulp", "lowest", "highest", "at"])
    if kind == "ulp":
        factor = 1 - Fraction(1, 2 ** draw.randrange(1, 8))
        facts["ulp"] = number_text(max(read_number(facts["ulp"]) * factor, Fraction(1, 2)))
    elif kind == "at":
        facts["at"][draw.randrange(4)] = draw.choice(["0", "-0", "1", "inf", "nan"])
    elif "inf" not in facts[kind]:
        away = -1 if kind == "highest" else 1
        value = read_number(facts[kind]) if facts[kind] != "-0" else Fraction(0)
        facts[kind] = number_text(value + away * max(abs(value), Fraction(1, 2**140)) / 2 ** draw.randrange(1, 30))


def another_target(content: dict[str, Any], draw: random.Random) -> None:
    target = content["target"]
    words = ["{} + 1e-7", "({}) * 1.0000001", "-({})", "{} + 1e-12 * x", "({}) * (1 + x / 1e9)", "{} + 1e-30"]
    target["expression"] = draw.choice(words).format(target["expression"])


def another_target_nearby(content: dict[str, Any], draw: random.Random) -> None:
    """Between two cuts alone, where no sample may lie: only what is shown of the whole box can refute it."""
    middle, half = Fraction(draw.randrange(-(2**7), 2**7), 2**4), Fraction(1, 2 ** draw.randrange(4, 12))
    f = content["target"]["expression"]
    words = draw.choice(["2 * ({})", "({}) * 1.0001", "({}) + 1"]).format(f)
    content["target"]["expression"] = f"where(abs(x - {middle}) < {half}, {words}, {f})"
    content["cuts"] = [*content["cuts"], number_text(middle - half), number_text(middle + half)]


def without_cuts(content: dict[str, Any], draw: random.Random) -> None:
    content["cuts"] = ["0"] if draw.random() < 0.5 else [*content["cuts"], "1/3", "-1/7"]


CHANGES: tuple[Change, ...] = (
    unit_of_a_constant,
    unit_of_a_constant,
    unit_of_a_constant,
    another_constant,
    another_operation,
    swapped_operands,
    another_operand,
    another_result,
    moved_end,
    exchanged_results,
    smaller_claim,
    another_target,
    another_target_nearby,
    another_target_nearby,
    without_cuts,
)


def sharpened(content: dict[str, Any], worst: float) -> dict[str, Any]:
    """A file that claims a little less than the error that was seen, no range, and its outputs at the ends."""
    other = copy.deepcopy(content)
    claim = number_text(Fraction(worst * (1 - 2.0**-20)) if worst < 2.0**40 else Fraction(2) ** 40)
    ends = outputs(other, np.array([-np.inf, -0.0, 0.0, np.inf])).tolist()
    other["facts"] |= {"ulp": claim, "lowest": "-inf", "highest": "inf", "at": list(map(_text, ends))}
    other["wanted"] = claim
    return other | {"hash": canonical_hash(other)}


def _text(y: float) -> str:
    if not np.isfinite(y):
        return repr(y)
    return "-0" if y == 0 and np.signbit(y) else number_text(Fraction(y))


def changed(content: dict[str, Any], draw: random.Random) -> tuple[str, dict[str, Any]]:
    """The name of a random change, and a document that has it, with its hash."""
    other, change = copy.deepcopy(content), draw.choice(CHANGES)
    with suppress(IndexError):  # there is nothing of the kind
        change(other, draw)
    return change.__name__, other | {"hash": canonical_hash(other)}


# -- what the code gives, without the package --------------------------------------------------------------------------


def _value(text: str) -> float:
    # As a fraction -0 would lose its sign.
    return -0.0 if text == "-0" else float(read_number(text) if text not in ("inf", "-inf", "nan") else text)


def _run(steps: list[Any], result: str, x: np.ndarray, functions: dict[str, Any], inner: str) -> np.ndarray:
    kind, digits = TYPES[inner], DIGITS[inner]
    values: list[np.ndarray] = []

    def of(name: str) -> np.ndarray:
        if name == "x":
            return x
        return values[int(name[1:])] if name[0] == "v" else np.full(x.shape, _value(name), kind)

    for op, *names in steps:
        a, *rest = map(of, names)
        if op in functions:
            code = functions[op]
            done = _run(code["steps"], code["result"], a, functions, inner)
        elif op == "scale":
            half = np.trunc(rest[0] / 2).astype(int)
            done = np.ldexp(np.ldexp(a, half), rest[0].astype(int) - half)
        elif op == "fma":
            done = np.array([_fused(*each) for each in zip(*(part.tolist() for part in (a, *rest)))])
            done = _odd(done, a, *rest) if inner == "float32" else done
        elif op == "sqrt":
            done = np.sqrt(a)
        elif op == "round":
            done = np.where(np.abs(a) < 2.0 ** (digits - 2), np.rint(a), a)
        elif op == "exponent":
            whole, middle = (np.int64, 0x3FE6A09E667F3BCD) if inner == "float64" else (np.int32, 0x3F3504F3)
            done = (a.view(whole) - middle >> digits - 1).astype(kind)
        else:
            done = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[op](a, rest[0])
        values.append(done.astype(kind))
    return of(result)


def _fused(a: float, b: float, c: float) -> float:
    """``a b + c`` rounded once to a double."""
    if not np.isfinite([a, b, c]).all() or 0 in (a, b):
        return a * b + c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    try:
        return float(exact)
    except OverflowError:
        return np.inf if exact > 0 else -np.inf


def _odd(done: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Sums rounded to doubles whose last bit is odd where they are not exact: rounded again they are rounded once."""
    out = []
    for y, *given in zip(*(part.tolist() for part in (done, a, b, c))):
        if np.isfinite([y, *given]).all():
            p, q, r = map(Fraction, given)
            rest = p * q + r - Fraction(y)
            if rest and not int(np.float64(y).view(np.int64)) & 1:
                y = np.nextafter(y, np.inf if rest > 0 else -np.inf)
        out.append(y)
    return np.array(out)


def outputs(content: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """What the code of a document gives at numbers of its format, ``[points]``."""
    functions = {code["name"]: code for code in content["functions"]}
    out, free = np.full(x.shape, np.nan, np.float64), np.ones(x.shape, bool)
    with np.errstate(all="ignore"):
        for piece in content["pieces"]:
            here = free & (x <= _value(piece["upper"]))
            free &= ~here
            if here.any() and piece["result"] != "nan":
                inside = x[here].astype(TYPES[content["inner"]])
                out[here] = _run(piece["steps"], piece["result"], inside, functions, content["inner"])
        return _rounded(out, content["format"])


def _rounded(values: np.ndarray, format: str) -> np.ndarray:
    short = values.astype(np.float32)
    if format == "bfloat16":
        bits = short.view(np.uint32)
        none = np.isnan(short)
        bits = np.where(none, bits, (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32)
        short = bits.view(np.float32)
    return short if format != "float64" else values


# -- what the formula is, without the package --------------------------------------------------------------------------

NAMES: dict[str, Any] = {
    **{name: getattr(mpmath, name) for name in ("log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh")},
    **{name: getattr(mpmath, name) for name in ("asinh", "acosh", "atanh", "atan", "asin", "acos", "erf", "erfc")},
    **{name: getattr(mpmath, name) for name in ("expm1", "log1p", "sign", "pi", "e")},
    # Of what is itself an exponential mpmath takes minutes; so far out only the sign counts.
    "exp": lambda u: mpmath.exp(min(max(u, -mpmath.ldexp(1, 2100)), mpmath.ldexp(1, 2100))),
    "abs": abs,
    "max": max,
    "min": min,
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
    "clip": lambda u, low, high: min(max(u, low), high),
    "heaviside": lambda u: (mpmath.sign(u) + 1) / 2,
    "sinc": mpmath.sinc,
}


def truth_of(expression: str) -> Callable[[float], Any]:
    """A formula in mpmath at 500 bits, None where it has no real value: written as Python, which differs in ``^``, in
    fractions, and in ``where``, of which only the branch that is taken has to have a value."""
    import ast

    body = ast.parse(expression.replace("^", "**"), mode="eval").body

    def of(node: Any, x: Any) -> Any:
        found = part(node, x)
        if isinstance(found, mpmath.mpc):  # real again after the next step, perhaps
            raise ValueError("no real value")
        return found

    def part(node: Any, x: Any) -> Any:
        if isinstance(node, ast.Constant):
            exact = Fraction(ast.get_source_segment(expression.replace("^", "**"), node) or str(node.value))
            return mpmath.mpf(exact.numerator) / exact.denominator
        if isinstance(node, ast.Name):
            return x if node.id == "x" else +NAMES[node.id]
        if isinstance(node, ast.UnaryOp):
            return -of(node.operand, x) if isinstance(node.op, ast.USub) else of(node.operand, x)
        if isinstance(node, ast.Compare):
            a, b = of(node.left, x), of(node.comparators[0], x)
            kind = type(node.ops[0]).__name__
            return {"Lt": a < b, "LtE": a <= b, "Gt": a > b, "GtE": a >= b, "Eq": a == b}[kind]
        if isinstance(node, ast.Call):
            name = node.func.id  # type: ignore[attr-defined]
            if name == "where":
                return of(node.args[1 if of(node.args[0], x) else 2], x)
            return NAMES[name](*(of(each, x) for each in node.args))
        assert isinstance(node, ast.BinOp)
        a, b = of(node.left, x), of(node.right, x)
        kind = type(node.op).__name__
        if kind == "Div":
            return a / b
        if kind == "Pow" and "x" in ast.unparse(node.right) and not a > 0:
            raise ValueError("a power of what is not positive, with an exponent that varies, has no value")
        return {"Add": lambda: a + b, "Sub": lambda: a - b, "Mult": lambda: a * b, "Pow": lambda: a**b}[kind]()

    def value(x: float) -> Any:
        with mpmath.workprec(500):
            try:
                found = of(body, mpmath.mpf(x))
            except (ZeroDivisionError, ValueError, OverflowError):
                return None
            return found if isinstance(found, mpmath.mpf) and mpmath.isfinite(found) else None

    return value


def numbers(content: dict[str, Any], count: int, draw: random.Random) -> np.ndarray:
    """Numbers of the format: of all sizes, even ones, and runs beside the ends of pieces, cuts and the worst input."""
    rng, wide = np.random.default_rng(draw.randrange(2**32)), content["format"] == "float64"
    sizes = np.exp2(rng.uniform(*((-1074, 1024) if wide else (-149, 128)), count)) * rng.choice([-1, 1], count)
    near = [_value(piece["upper"]) for piece in content["pieces"]] + [_value(cut) for cut in content["cuts"]]
    near += [_value(content["facts"]["worst"])] if content["facts"].get("worst") else []
    turns = (np.pi / 2 * rng.integers(-(2**20), 2**20, count) + rng.choice([0, 1, 0.5, -1, -0.5], count)) / 2
    halves = np.log(2) / 2 * rng.integers(-2150, 2150, count) * (1 + np.ldexp(rng.integers(-9, 9, count), -52))
    x = [sizes, rng.uniform(-4, 4, count), rng.uniform(-120, 120, count), turns, turns / np.pi, halves]
    for point in near:
        if not np.isfinite(point):
            continue
        kind, whole = (np.float64, np.int64) if wide else (np.float32, np.int32)
        here = np.array([point], kind).view(whole)[0]
        run = (here + np.arange(-40, 41)).astype(whole).view(kind).astype(np.float64)
        x += [run, point + np.exp2(rng.uniform(-30, 3, count // 8)) * rng.choice([-1, 1], count // 8)]
    with np.errstate(all="ignore"):
        found = np.unique(_rounded(np.concatenate(x), content["format"]))
    return found[np.isfinite(found)]


def units(y: float, true: Any, format: str) -> float:
    """The error in units in the last place; infinite outputs count as the power of two beyond all numbers."""
    top = mpmath.mpf(2) ** (1024 if format == "float64" else 128)
    if np.isnan(y):
        return np.inf
    if abs(true) >= top:
        return 0.0 if np.isinf(y) and (y > 0) == (true > 0) else np.inf
    exponent = mpmath.frexp(true)[1] if true else LEAST[format]
    unit = mpmath.ldexp(1, max(int(exponent) - DIGITS[format], LEAST[format]))
    at = mpmath.mpf(y) if np.isfinite(y) else top * (1 if y > 0 else -1)
    return float(abs(at - true) / unit)


def worst_of(content: dict[str, Any], count: int = 300, seed: int = 0) -> tuple[float, float]:
    """The largest error that is found, in units in the last place, and its input."""
    x = numbers(content, count, random.Random(seed))
    y, true = outputs(content, x), truth_of(content["target"]["expression"])
    found = (-1.0, 0.0)
    with mpmath.workprec(500):
        for point, given in zip(x.tolist(), y.tolist()):
            value = true(point)
            if value is not None:
                found = max(found, (units(given, value, content["format"]), point))
    return found


class Judged:
    """What became of the changes of a certificate."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.false: list[str] = []
        self.seconds = 0.0


def judged(
    content: dict[str, Any],
    draw: random.Random,
    count: int,
    points: int = 300,
    seconds: float = 30,
    sharp: bool = False,
) -> Judged:
    """So many random changes of a document, each verified, each accepted one judged; of ``sharp`` ones none is true."""
    found = Judged()
    for _ in range(count):
        name, other = changed(content, draw)
        if other["hash"] == content["hash"]:
            continue
        if sharp:
            try:
                worst, where = worst_of(other, points, draw.randrange(2**32))
            except (ValueError, OverflowError):  # a scaling by no integer
                continue
            other = sharpened(other, worst)
        began = time.process_time()
        answer = verify(other, seconds).outcome
        found.seconds = max(found.seconds, time.process_time() - began)
        found.counts[f"{name}: {answer}"] += 1
        if answer == "verified" and sharp:
            found.false.append(f"{name}: {worst:g} ulp at {where!r}, stated a little less: {json.dumps(other)}")
        elif answer == "verified":
            worst, where = worst_of(other, points, draw.randrange(2**32))
            y = outputs(other, numbers(other, points, draw))
            low, high = (_value(other["facts"][each]) for each in ("lowest", "highest"))
            if worst > float(read_number(other["facts"]["ulp"])):
                found.false.append(f"{name}: {worst:g} ulp at {where!r}, stated {other['facts']['ulp']}")
            ends = outputs(other, np.array([-np.inf, -0.0, 0.0, np.inf])).tolist()
            if list(map(_text, ends)) != [_text(_value(each)) for each in other["facts"]["at"]]:
                found.false.append(f"{name}: other outputs at the ends")
            with np.errstate(all="ignore"):
                if not (np.isnan(y) | ((y >= low) & (y <= high))).all():
                    found.false.append(f"{name}: an output out of range")
    return found


def main() -> None:
    """Change, verify, judge."""
    import rational_approx as ra

    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--format", default="float32")
    parser.add_argument("--formula", action="append", default=[])
    parser.add_argument("--fma", action="store_true")
    parser.add_argument("--file", action="append", default=[], help="a certificate, in the place of formulas")
    parser.add_argument("--sharp", action="store_true", help="claims a little below what was seen")
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    bad = 0
    for formula in given.file or given.formula or FORMULAS:
        if given.file:
            content = json.loads(Path(formula).read_text())
        else:
            content = document(ra.implement(formula, format=given.format, fma=given.fma))
        found = judged(content, random.Random(given.seed), given.count, 300, given.seconds, given.sharp)
        bad += len(found.false)
        print(f"{formula}: {dict(sorted(found.counts.items()))}; the longest took {found.seconds:.1f} s", flush=True)
        print(*(f"  FALSE: {each}" for each in found.false), sep="\n" if found.false else "", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
