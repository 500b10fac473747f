"""A fixed-point implementation as a combinational module in SystemVerilog (IEEE 1800), for synthesis and simulation.

Every signal has the width that is proved for it, and every operand is cast to the width of its result, so that no rule
about the sizes of expressions decides anything. A cast to fewer bits keeps the value modulo a power of two, and the
result fits.
"""

from collections.abc import Iterator

from rational_approx.kernels.datapath import Datapath, Row
from rational_approx.kernels.implement import FixedImplementation

__all__ = ["in_systemverilog"]

_RESERVED = """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind
    bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config
    const constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist
    do edge else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface
    endmodule endpackage endprimitive endprogram endproperty endspecify endsequence endtable endtask enum event
    eventually expect export extends extern final first_match for force foreach forever fork forkjoin function
    generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir
    include initial inout input inside instance int integer interconnect interface intersect join join_any join_none
    large let liblist library local localparam logic longint macromodule matches medium modport module nand negedge
    nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup pulsestyle_ondetect
    pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg reject_on release repeat
    restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime s_until s_until_with
    scalared sequence shortint shortreal showcancelled signed small soft solve specify specparam static string strong
    strong0 strong1 struct super supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
    timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique unique0
    unsigned until until_with untyped use uwire var vectored virtual void wait wait_order wand weak weak0 weak1 while
    wildcard wire with within wor xnor xor
"""


def in_systemverilog(value: FixedImplementation, notes: list[str], name: str) -> str:
    """The module; ``x`` and ``y`` are its ports."""
    path = value.kernel
    signals = [*_chosen(path), *(line.split(" = ")[0] for line in _calculated(path) if not line.startswith("y "))]
    if name in _RESERVED.split() or name in {"x", "y", *signals}:
        raise ValueError(f"{name!r} is a word of SystemVerilog or a signal of the module: give another name")
    widths = {**path.widths, "origin": path.point.bits}
    declared = [f"    logic signed [{widths[signal] - 1}:0] {signal};" for signal in signals if signal != "left"]
    if "left" in signals:
        most = max(row.left for row in path.rows)
        declared.append(f"    logic [{most.bit_length() - 1}:0] left;")
    body = [*_rows(path), *(f"        {line};" for line in _calculated(path))]
    port = f"logic signed [{path.point.bits - 1}:0]"
    return "\n".join(
        [
            *(f"// {line}" for line in notes),
            f"module {name} (",
            f"    input  {port} x,",
            f"    output {port} y",
            ");",
            *declared,
            "",
            "    always_comb begin",
            *body,
            "    end",
            "endmodule",
            "",
        ]
    )


def _literal(value: int, bits: int) -> str:
    if abs(value) < 1 << bits - 1:
        return f"{'-' if value < 0 else ''}{bits}'sd{abs(value)}"
    return f"{bits}'sh{value % (1 << bits):x}"


def _chosen(path: Datapath) -> list[str]:
    """What a row decides."""
    signals = [f"c{k}" for k in range(path.degree + 1)]
    if path.degree:
        signals.append("origin")
    if any(row.left for row in path.rows):
        signals.append("left")
    if any(row.adds for row in path.rows):
        signals.append("u")
    return signals


def _rows(path: Datapath) -> Iterator[str]:
    """The choice of a row, by comparisons from left to right."""
    signals, bits = _chosen(path), path.point.bits
    for number, row in enumerate(path.rows):
        condition = f"if (x <= {_literal(row.upper, bits)}) " if row.upper < path.point.highest else ""
        yield f"        {'end else ' if number else ''}{condition}begin  // {row.about}"
        yield from (f"            {signal} = {_of_row(path, row, signal)};" for signal in signals)
    yield "        end"


def _of_row(path: Datapath, row: Row, signal: str) -> str:
    widths = path.widths
    if signal == "origin":  # t is 0 in a row without one
        return "x" if row.origin is None else _literal(row.origin, path.point.bits)
    if signal == "left":
        return f"{max(each.left for each in path.rows).bit_length()}'d{row.left}"
    if signal == "u":
        return {0: _literal(0, widths["u"]), 1: f"{widths['u']}'(x)", -1: f"-({widths['u']}'(x))"}[row.adds]
    k = int(signal[1:])
    return _literal(row.coefficients[k] if k < len(row.coefficients) else 0, widths[signal])


def _calculated(path: Datapath) -> Iterator[str]:
    """The assignments that all rows share."""
    widths, n, bits = path.widths, path.degree, path.point.bits

    def cast(signal: str, to: str) -> str:
        return f"{widths[to]}'({signal})"

    def shifted(signal: str, by: int, to: str) -> str:
        if not by:
            return cast(signal, to)
        return cast(f"({signal} + {_literal(1 << by - 1, widths[signal])}) >>> {by}", to)

    if n:
        difference = f"{cast('x', 't')} - {cast('origin', 't')}"
        yield f"t = ({difference}) <<< left" if "left" in _chosen(path) else f"t = {difference}"
    for k in reversed(range(n)):
        factor = f"c{n}" if k == n - 1 else f"a{k + 1}"
        yield f"p{k} = {cast(factor, f'p{k}')} * {cast('t', f'p{k}')}"
        yield f"r{k} = {shifted(f'p{k}', path.shift, f'r{k}')}"
        yield f"a{k} = {cast(f'c{k}', f'a{k}')} + {cast(f'r{k}', f'a{k}')}"
    added = f"({cast('u', 's')} <<< {path.guard})" if path.guard else cast("u", "s")
    yield f"s = {cast('a0' if n else 'c0', 's')}" + (f" + {added}" if "u" in _chosen(path) else "")
    yield f"r = {shifted('s', path.guard, 'r')}"
    whole = f"{bits}'(r)"
    if path.saturates:
        low, high = path.point.lowest, path.point.highest
        ends = [(_literal(end, widths["r"]), _literal(end, bits)) for end in (low, high)]
        whole = f"r < {ends[0][0]} ? {ends[0][1]} : r > {ends[1][0]} ? {ends[1][1]} : {whole}"
    yield f"y = {whole}"
