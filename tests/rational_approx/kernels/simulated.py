"""Emitted SystemVerilog, simulated at every code; and read and run here, with the sizes of the standard's rules."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from rational_approx import export
from rational_approx.kernels.implement import FixedImplementation

__all__ = ["SIMULATOR", "interpreted", "simulated"]

SIMULATOR = shutil.which("iverilog") and shutil.which("vvp")
BENCH = """
module bench;
    logic signed [{last}:0] x, y;
    gate tested (.x(x), .y(y));
    initial begin
        for (int i = {lowest}; i <= {highest}; i++) begin
            x = {bits}'(i);
            #1 $display("%0d", y);
        end
        $finish;
    end
endmodule
"""


def simulated(found: FixedImplementation, folder: Path) -> np.ndarray:
    """The outputs of Icarus Verilog for every code, ascending."""
    point = found.kernel.point
    (folder / "gate.sv").write_text(export(found, "systemverilog", name="gate"))
    ends = {"lowest": point.lowest, "highest": point.highest, "bits": point.bits, "last": point.bits - 1}
    (folder / "bench.sv").write_text(BENCH.format(**ends))
    built = ("iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "bench", "gate.sv", "bench.sv")
    said = subprocess.run(built, check=True, capture_output=True, cwd=folder, text=True)
    assert not said.stdout + said.stderr
    out = subprocess.run(("vvp", "-n", "bench"), check=True, capture_output=True, cwd=folder, text=True).stdout
    return np.array([int(line) for line in out.split()])


TOKEN = re.compile(r"\s*(?:(\d+)'(s?)([dh])([0-9a-f]+)|(\d+)'(?=\()|(\w+)|(<<<|>>>|<=|[-+*<>?:()]))")
ORDER = {"*": 5, "+": 4, "-": 4, "<<<": 3, ">>>": 3, "<": 2, ">": 2, "<=": 2, "?": 1}


class _Reader:
    """An expression of what is emitted; a value is ``(number, bits)``, and no operation may leave its operands' bits.

    Every operand has the size of its result, so that a result that needs more bits than both operands would be cut.
    """

    def __init__(self, text: str, signals: dict[str, tuple[int, int]]) -> None:
        self.tokens = [match for match in TOKEN.finditer(text) if match[0].strip()]
        assert "".join(match[0] for match in self.tokens).strip() == text.strip()
        self.at, self.signals = 0, signals

    def mark(self) -> str | None:
        return self.tokens[self.at][7] if self.at < len(self.tokens) else None

    def expression(self, least: int = 1) -> tuple[int, int]:
        value = self.atom()
        while ORDER.get(self.mark() or "", 0) >= least:
            op = self.mark()
            self.at += 1
            if op == "?":
                yes = self.expression(2)
                assert self.mark() == ":"
                self.at += 1
                no = self.expression(1)
                assert yes[1] == no[1]
                value = yes if value[0] else no
                continue
            value = combined(op, value, self.expression(ORDER[op] + 1))
        return value

    def atom(self) -> tuple[int, int]:
        match = self.tokens[self.at]
        self.at += 1
        bits, signed, base, digits, cast, name, mark = match.groups()
        if digits:
            number = int(digits, 16 if base == "h" else 10)
            return (wrapped(number, int(bits)) if signed else number), int(bits)
        if name:
            return (int(name), 0) if name.isdigit() else self.signals[name]
        if mark == "-":
            number, size = self.atom()
            return wrapped(-number, size), size
        inner = self.bracket() if cast else self.closed()
        return (wrapped(inner[0], int(cast)), int(cast)) if cast else inner

    def bracket(self) -> tuple[int, int]:
        assert self.mark() == "("
        self.at += 1
        return self.closed()

    def closed(self) -> tuple[int, int]:
        value = self.expression()
        assert self.mark() == ")"
        self.at += 1
        return value


def combined(op: str, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """A binary operation: both sides of one size, but for a shift, whose right side stands alone."""
    shifts = {"<<<": lambda: a[0] << b[0], ">>>": lambda: a[0] >> b[0]}
    if op in shifts:
        return wrapped(shifts[op](), a[1]), a[1]
    assert a[1] == b[1], "operands of different sizes"
    if op in ("<", ">", "<="):
        return int({"<": a[0] < b[0], ">": a[0] > b[0], "<=": a[0] <= b[0]}[op]), 1
    return wrapped({"+": a[0] + b[0], "-": a[0] - b[0], "*": a[0] * b[0]}[op], a[1]), a[1]


def wrapped(number: int, bits: int) -> int:
    """Two's complement of so many bits."""
    return (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def interpreted(found: FixedImplementation, codes: np.ndarray) -> np.ndarray:
    """The outputs of the emitted text for some codes."""
    source = export(found, "systemverilog", name="gate")
    sizes = {"x": found.kernel.point.bits, "y": found.kernel.point.bits}
    sizes |= {name: int(last) + 1 for last, name in re.findall(r"logic (?:signed )?\[(\d+):0\] (\w+);", source)}
    body = source.split("always_comb begin\n")[1].split("    end\nendmodule")[0]
    lines = [line.partition("//")[0].strip().removesuffix(";") for line in body.splitlines()]
    out = []
    for code in codes.tolist():
        signals = {"x": (code, sizes["x"])}
        taken, done = True, False
        for line in lines:
            words = re.fullmatch(r"(end else )?(?:if \((.*)\) )?begin", line)
            if words:
                holds = words[2] is None or _Reader(words[2], signals).expression()[0] == 1
                taken, done = holds and not done, done or holds
            elif line == "end":
                taken = True
            elif taken:
                name, _, text = line.partition(" = ")
                number, bits = _Reader(text, signals).expression()
                assert bits == sizes[name], f"{name} is assigned something of another size"
                signals[name] = number, bits
        out.append(signals["y"][0])
    return np.array(out)
