"""Hostile files against the verifier: made to crash it, to exhaust it or to be run as code.

    python -m tests.adversaries.hostile [--seed 1] [--count 200] [--write docs/measured/proofs.md]

Each is checked by the stand-alone program in a process of its own, whose processor time and memory are measured.
"""

import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rational_approx.shipping.documents import number_text, read_number
from tests import provenance
from tests.adversaries.mutations import certificates, hashed
from tests.benchmarks.machine import machine

__all__ = ["HOSTILE", "RAW", "hostile"]

BEGIN, END = "<!-- hostile: begin -->", "<!-- hostile: end -->"
PROGRAM = Path(__file__).resolve().parents[2] / "rational_approx"


def _expression(make: Callable[[random.Random], str]) -> Callable[[dict[str, Any], random.Random], Any]:
    return lambda d, rng: d | {"target": d["target"] | {"expression": make(rng)}}


def _coefficients(make: Callable[[random.Random], list[str]]) -> Callable[[dict[str, Any], random.Random], Any]:
    return lambda d, rng: (
        d | {"rational": d["rational"] | {"numerator": make(rng), "denominator": make(rng)}, "type": [400, 400]}
    )


def _long(rng: random.Random, digits: int = 3990) -> str:
    return f"{rng.choice(['', '-'])}{rng.randrange(1, 9)}{rng.randrange(10**digits)}/{rng.randrange(1, 10**digits)}"


HOSTILE: dict[str, Callable[[dict[str, Any], random.Random], Any]] = {
    "a list": lambda d, rng: [d],
    "empty": lambda d, rng: {},
    "huge integer": lambda d, rng: d | {"upper": "9" * rng.choice([4000, 5999, 100_000]) + "/1"},
    "huge exponent": lambda d, rng: d | {"upper": f"0x1p{rng.choice([19999, 999999, 99999999])}"},
    "tiny upper bound": lambda d, rng: d | {"upper": f"0x1p-{rng.choice([999, 19999])}"},
    "power tower": _expression(lambda rng: "^".join(["9"] * rng.randrange(3, 90))),
    "large powers": _expression(lambda rng: "*".join(["x^64"] * rng.randrange(100, 1500))),
    "deep brackets": _expression(lambda rng: "(" * 4000 + "x" + ")" * 4000),
    "deep signs": _expression(lambda rng: "-" * rng.randrange(90, 9000) + "x"),
    "deep functions": _expression(
        lambda rng: (f := rng.choice(["sinh(", "tan(", "gamma(", "abs(", "erf("])) and f * 450 + "x" + ")" * 450
    ),
    "long sum": _expression(
        lambda rng: "+".join(rng.choice(["exp(x)", "gamma(x+9)", "abs(x-1/3)"]) for _ in range(700))
    ),
    "nested branches": _expression(lambda rng: "where(x<1,"[:10] * 90 + "x" + ",x)" * 90),
    "poles": _expression(lambda rng: rng.choice(["gamma(-x)", "1/x", "tan(9*x)", "log(x)", "x^(-1/2)", "atanh(x)"])),
    "import": _expression(lambda rng: "__import__('os').system('true')"),
    "attribute": _expression(lambda rng: rng.choice(["x.__class__", "x.real", "().__class__", "x[0]", "lambda: x"])),
    "unknown function": _expression(lambda rng: rng.choice(["open(x)", "eval(x)", "print(x)", "exec(x)", "exp"])),
    "other characters": _expression(
        lambda rng: rng.choice(["ｅxp(x)", "x\x00", "x;x", "x\n+x", "'x'", "x if x else x"])
    ),
    "many parts": lambda d, rng: d | {"parts": d["parts"] * rng.choice([200, 1000, 20_000])},
    "parts of no piece": lambda d, rng: d | {"parts": [[rng.choice([99, -1, "0", None, 0.5]), "0", "1"]]},
    "one part": lambda d, rng: d | {"parts": [[0, "-1", "1"]], "upper": number_text(read_number(d["lower"]))},
    "negative piece": lambda d, rng: d | {"witness": [-1, "0"]},
    "text for a list": lambda d, rng: d | {rng.choice(["parts", "references", "claims", "value", "type"]): "text"},
    "null": lambda d, rng: d | {rng.choice(list(d)): None},
    "many coefficients": _coefficients(lambda rng: ["1/3"] * rng.choice([149, 100_000])),
    "long coefficients": _coefficients(lambda rng: [_long(rng) for _ in range(rng.choice([20, 140]))]),
    "long dyadic coefficients": _coefficients(
        lambda rng: [f"0x{rng.getrandbits(20000):x}p-{rng.randrange(9999)}" for _ in range(149)]
    ),
    "long ends": lambda d, rng: d | {"target": d["target"] | {"domain": [["-" + "7" * 3999, _long(rng).lstrip("-")]]}},
    "zero denominator": lambda d, rng: d | {"rational": d["rational"] | {"denominator": ["0"]}},
    "many breakpoints": lambda d, rng: (
        d | {"target": d["target"] | {"breakpoints": [f"{k}/99999" for k in range(rng.choice([900, 9999]))]}}
    ),
    "claims of another form": lambda d, rng: d | {"claims": [{"name": ["range"], "arguments": {}, "status": "proved"}]},
    "long claims": lambda d, rng: (
        d | {"claims": [{"name": "lipschitz", "arguments": [_long(rng).lstrip("-")], "status": "proved"}] * 400}
    ),
    "infinite witness": lambda d, rng: d | {"witness": [0, rng.choice(["inf", "-inf", "nan"])]},
    "a type of floats": lambda d, rng: (
        d | {"type": rng.choice([[1.5, 2.5], [True, False], [10**30, 10**30], [-1, -1]])}
    ),
    "samples": lambda d, rng: d | {"target": d["target"] | {"samples": [["1/3", _long(rng), "1"]] * 150}},
}
"""Documents that are hashed as they should be."""

RAW: dict[str, Callable[[dict[str, Any], random.Random], bytes]] = {
    "nothing": lambda d, rng: b"",
    "deep nesting": lambda d, rng: rng.choice([b"[", b'{"a":']) * 500_000,
    "not a number": lambda d, rng: (
        json.dumps(d).replace('"proved"', rng.choice(["NaN", "Infinity", "-Infinity"]), 1).encode()
    ),
    "a key twice": lambda d, rng: (
        json.dumps(d).replace('"upper":', f'"{rng.choice(list(d))}": 1, "upper":', 1).encode()
    ),
    "a long integer": lambda d, rng: b"1" * rng.choice([5000, 5_000_000]),
    "a million parts": lambda d, rng: json.dumps(d | {"parts": [[0, "0", "1"]] * 10**6}).encode(),
    "not text": lambda d, rng: rng.randbytes(rng.randrange(1, 5000)),
    "cut off": lambda d, rng: json.dumps(d).encode()[: -rng.randrange(1, 3000)],
}
"""Files that are no such documents."""


def hostile(made: dict[str, Any], index: int, rng: random.Random) -> tuple[str, bytes]:
    """One hostile file and its kind."""
    kinds = [*HOSTILE, *RAW]
    kind, original = kinds[index % len(kinds)], copy.deepcopy(made[rng.choice(["exp", "relu", "half_line"])])
    if kind in RAW:
        return kind, RAW[kind](original, rng)
    content = HOSTILE[kind](original, rng)
    return kind, json.dumps(hashed(content) if isinstance(content, dict) else content).encode()


def measured(text: bytes, folder: Path) -> tuple[int, str, float, float]:
    """Exit code and output of the stand-alone program on a file, its processor seconds and its peak memory in MB."""
    path, log = folder / "certificate.json", folder / "log"
    path.write_bytes(text)
    with log.open("wb") as output:
        command = [sys.executable, "-S", "-m", "verifier", str(path)]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=PROGRAM)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, log.read_text(errors="replace"), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run_hostile(made: dict[str, Any], seed: int, count: int) -> str:
    """Counts of hostile files in Markdown."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    slowest, largest = (0.0, ""), (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            kind, text = hostile(made, index, rng)
            code, output, seconds, megabytes = measured(text, Path(folder))
            said = {0: "verified", 1: "refuted", 3: "not decided"}.get(code, "crashed")
            crashed = "Traceback" in output or output.splitlines()[-1:] != [said]
            outcomes["crashed" if crashed else "accepted" if code == 0 else "rejected"] += 1
            if crashed or code == 0 or seconds > 10 or megabytes > 500:
                print(kind, code, f"{seconds:.1f} s {megabytes:.0f} MB", output[-300:], flush=True)
            slowest, largest = max(slowest, (seconds, kind)), max(largest, (megabytes, kind))
    return (
        f"Hostile files: {count}, of which {outcomes['rejected']} rejected, {outcomes['accepted']} accepted, "
        f"{outcomes['crashed']} ended in an exception. Most processor time {slowest[0]:.1f} s ({slowest[1]}), most "
        f"memory {largest[0]:.0f} MB ({largest[1]})."
    )


def main() -> None:
    """Check the files and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--write", type=Path, help="a page that has the marks of the counts")
    chosen = parser.parse_args()
    shown = run_hostile(certificates(), chosen.seed, chosen.count)
    print(shown)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        inner = f"{BEGIN}\nSeed {chosen.seed}. {shown} {machine()}.\n{END}"
        provenance.write(chosen.write, page.split(BEGIN)[0] + inner + page.split(END)[1], "tests.adversaries.hostile")


if __name__ == "__main__":
    main()
