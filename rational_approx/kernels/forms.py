"""The forms that a piece may have: ``f(x) = factor(x) R(variable(x))``, with a rational R, and their operations.

Code that calculates in its own format adds that as a small correction to a *base*, which is exact: a number of the
format, or x times a power of two.

Far out a function that grows or decays like a power of x is one power times a rational of ``1/x``. Where f decays, or
comes near to a limit, as an exponential does, a rational in x would have to follow it over all
exponents of the format. So factor and variable may hold ``e = exp(a x)`` or ``exp(a x^2)``: see
:mod:`kernels.reductions`.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.barycentric import Barycentric
from rational_approx.kernels.kernel import COSTS, Function, Piece, operations
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.programs.program import INPUT, Constant, Operand, Result, Writer

__all__ = ["Exponential", "Form", "Rates", "counted", "form_piece", "in_powers", "rates", "terms"]


@dataclass(frozen=True)
class Exponential:
    """``exp(a x + b x^2 + c x^3)`` with the rates a, b and c, numbers of float32, by the operations of a function."""

    rates: tuple[Fraction, Fraction, Fraction]
    function: Function
    scheme: Scheme = PLAIN

    def halved(self) -> "Exponential":
        """Its root."""
        a, b, c = (rate / 2 for rate in self.rates)
        return replace(self, rates=(a, b, c))

    def exponent(self, x: np.ndarray) -> np.ndarray:
        """The exponents in float64."""
        a, b, c = map(float, self.rates)
        return np.asarray(((c * x + b) * x + a) * x)

    def __call__(self, x: np.ndarray, power: int = 1) -> np.ndarray:
        """Values, or a power of them, in float64."""
        return np.asarray(np.exp(np.clip(power * self.exponent(x), -700, 700)))

    def written(self, writer: Writer) -> Operand:
        """The operations for the exponent."""
        a, b, c = self.rates
        if not c and not (a and b):
            u = writer.do("mul", INPUT, INPUT) if b else INPUT
            return u if (a or b) == 1 else writer.do("mul", u, Constant(a or b))
        if not c or b:
            return writer.do("mul", writer.polynomial((a, b, c) if c else (a, b), INPUT), INPUT)
        return writer.do("mul", writer.polynomial((a, c), writer.do("mul", INPUT, INPUT)), INPUT)

    def __str__(self) -> str:
        powers = ("x", "x^2", "x^3")
        return f"exp({' + '.join(f'{float(r):g} {name}' for r, name in zip(self.rates, powers) if r)})"


@dataclass(frozen=True)
class Form:
    """``slope x + offset + x**times e**decays R(variable)``; ``variable`` is ``"x"``, ``"x^2"``, ``"e"``, ``"x - c"``
    with the centre c, or ``"1/x"``.

    With the last one ``times`` may be negative. Slope or offset are 0; with a slope and a centre the form is ``slope t
    + t**times R(t)``, ``t = x - c``. Where ``decays`` is 2, e is the root of what f decays like, and e^2 is in its
    place in R. With a ``zero`` z it is ``(x - z) R(x - z)``, z in one part or two.
    """

    times: int
    variable: str
    exponential: Exponential | None = None
    decays: int = 0
    slope: Fraction = Fraction(0)
    offset: Fraction = Fraction(0)
    centre: Fraction = Fraction(0)
    zero: tuple[Fraction, ...] = ()

    def from_zero(self, x: np.ndarray) -> np.ndarray:
        """``x - z`` in float64."""
        for part in self.zero:
            x = x - float(part)
        return x

    def variable_at(self, x: np.ndarray) -> np.ndarray:
        """The variable in float64."""
        if self.variable == "e" and self.exponential is not None:
            return self.exponential(x, max(self.decays, 1))
        if self.zero:
            return self.from_zero(x)
        return x * x if self.variable == "x^2" else 1 / x if self.variable == "1/x" else x

    def factor_at(self, x: np.ndarray) -> np.ndarray:
        """The factor in float64."""
        if self.zero:
            return self.from_zero(x)
        out = x**self.times
        return out * self.exponential(x, self.decays) if self.exponential is not None else out

    @property
    def functions(self) -> tuple[Function, ...]:
        """The functions that its code calls."""
        return () if self.exponential is None else (self.exponential.function,)

    @property
    def operations(self) -> int:
        """What the form counts beside its rational: see `kernels.kernel`."""
        own = (
            len(self.zero)
            + abs(self.times)
            + self.decays
            + (self.variable == "x^2")
            + COSTS["div"] * (self.variable == "1/x")
        )
        if self.exponential is not None:
            writer = self.exponential.scheme.writer()
            self.exponential.written(writer)
            own += operations(self.exponential.function) + len(writer.steps)
            own += self.decays == 2 and self.variable == "e"
        return own

    def __str__(self) -> str:
        if self.zero:
            return f"t R(t), t = x - {float(sum(self.zero)):g}"
        x = f"(x - {float(self.centre):g})" if self.slope and self.variable == "x - c" else "x"
        factors = [x if self.times > 0 else "1/x"] * abs(self.times) + ["e"] * self.decays
        where = f", e = {self.exponential}" if self.exponential is not None else ""
        base = f"{float(self.offset):g} + " if self.offset else ""
        if self.slope:
            base = f"{x} + " if self.slope == 1 else f"{float(self.slope):g} {x} + "
        variable = "e^2" if (self.variable, self.decays) == ("e", 2) else self.variable
        variable = f"x - {float(self.centre):g}" if variable == "x - c" else variable
        return f"{base}{' '.join([*factors, f'R({variable})'])}{where}"


def terms(coefficients: tuple[Fraction, ...], inner: str) -> tuple[Fraction, ...]:
    """Coefficients rounded to a format, those of the highest powers that are zero left out."""
    out = tuple(round_to(c, inner) for c in coefficients)
    while len(out) > 1 and not out[-1]:
        out = out[:-1]
    return out


def counted(p: int, q: int, scheme: Scheme) -> int:
    """The operations of a rational of type (p, q)."""
    writer, degree = scheme.writer(), max(p, q)
    if scheme.order == "barycentric" and not in_powers((p, q)):
        terms = tuple(Fraction(k + 2) for k in range(degree + 1))
        Barycentric(terms, terms, terms).written(writer, INPUT)
        return sum(COSTS.get(op, 1) for op, _ in writer.steps)
    for k, degree in enumerate((p, q)):
        writer.polynomial(tuple(Fraction(3 * j + k + 2) for j in range(degree + 1)), INPUT)
    return len(writer.steps) + COSTS["div"] * (q > 0)


def in_powers(type: tuple[int, int]) -> bool:
    """Whether rationals of a type are constants or lines, which no scheme changes."""
    return type in ((0, 0), (1, 0))


def form_piece(
    form: Form,
    top: tuple[Fraction, ...],
    bottom: tuple[Fraction, ...],
    upper: float,
    scheme: Scheme,
    parts: Barycentric | None = None,
) -> Piece:
    """The operations of a form with the coefficients of its rational, or with ``parts`` in barycentric form."""
    writer = scheme.writer()
    e = writer.do("exp", form.exponential.written(writer)) if form.exponential is not None else None
    variable: Operand = INPUT
    for part in form.zero:
        variable = writer.do("sub", variable, Constant(part))
    if form.variable == "x^2":
        variable = writer.do("mul", INPUT, INPUT)
    elif form.variable == "1/x":
        variable = writer.do("div", Constant(Fraction(1)), INPUT)
    elif form.variable == "e" and e is not None:
        variable = writer.do("mul", e, e) if form.decays == 2 else e
    elif form.variable == "x - c":
        variable = writer.do("sub", INPUT, Constant(form.centre))
    value = writer.polynomial(top, variable) if parts is None else parts.written(writer, variable)
    if len(bottom) > 1 and parts is None:
        value = writer.do("div", value, writer.polynomial(bottom, variable))
    if form.decays and e is not None:
        value = _product(writer, value, e)
    based = bool(form.slope or form.offset) and form.times >= 0
    factor = variable if form.times < 0 or form.zero or (form.slope and form.variable == "x - c") else INPUT
    for _ in range(form.times // 2 if based else 0):
        value = _product(writer, value, writer.do("mul", factor, factor))
    for _ in range(form.times % 2 if based else abs(form.times)):
        value = _product(writer, value, factor)
    if based:
        base: Operand = Constant(form.offset)
        if form.slope:
            base = factor if form.slope == 1 else writer.do("mul", factor, Constant(form.slope))
        value = _sum(writer, value, base)
    if form.decays == 2 and e is not None:  # the second half comes last: x times the first one is no subnormal number
        value = _product(writer, value, e)
    steps, value = writer.needed(value)  # a product that a sum took into itself is not
    return Piece(upper, steps, value, f"{form}, R of type ({len(top) - 1}, {len(bottom) - 1})")


def _sum(writer: Writer, value: Operand, base: Operand) -> Operand:
    for one, other in ((value, base), (base, value)):
        if writer.fma and isinstance(one, Result) and writer.steps[one.step].op == "mul":
            return writer.do("fma", *writer.steps[one.step].operands, other)
    return writer.do("add", value, base)


def _product(writer: Writer, a: Operand, b: Operand) -> Operand:
    if isinstance(a, Constant):
        if a.value == 1:
            return b
        return writer.do("mul", b, a)
    return writer.do("mul", a, b)


Rates = tuple[Fraction, Fraction, Fraction]
MODELS = ((1,), (2,), (1, 2), (1, 3))
"""The powers of x that an exponent may have together."""


def rates(x: np.ndarray, value: np.ndarray) -> list[Rates]:
    """Rates of exponentials that values which fall towards an end may follow; both ``[points]``, the outermost first.

    Their logarithms, without a factor x and with it, are fitted by a constant and the powers of a model; those models
    count that leave little, and nothing that a simpler one does not.
    """
    out: list[Rates] = []
    for factor in (np.ones_like(x), x):
        with np.errstate(all="ignore"):
            logs = np.log(np.abs(value / factor))
        if not np.isfinite(logs).all() or np.ptp(logs) < 0.5:
            continue
        for model in MODELS:
            table = np.stack([np.ones_like(x), *(x**power for power in model)], 1)
            c = np.linalg.lstsq(table / np.abs(table).max(0), logs, rcond=None)[0] / np.abs(table).max(0)
            left = float(np.abs(logs - table @ c).max())
            if left <= 0.02 * np.ptp(logs) or (len(model) == 1 and left <= 0.1 * np.ptp(logs)):
                found = dict(zip(model, map(float, c[1:])))
                near = _plain if len(model) == 1 else lambda slope: round_to(Fraction(slope), "float32")
                out.append((near(found.get(1, 0.0)), near(found.get(2, 0.0)), near(found.get(3, 0.0))))
            if left <= 1e-3 * np.ptp(logs):
                break
    return list(dict.fromkeys(entry for entry in out if any(entry)))


def _plain(slope: float) -> Fraction:
    # A multiple of 1/8 where one is near: then its product with x is exact in float32.
    near = Fraction(round(slope * 8), 8)
    return near if near and abs(float(near) - slope) <= 0.05 * abs(slope) else round_to(Fraction(slope), "float32")
