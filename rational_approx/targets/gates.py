"""The zoo: activation functions and gates by name, each with its expression, a usual domain and its breakpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from rational_approx.arithmetic.domain import Domain
from rational_approx.arithmetic.precision import fraction
from rational_approx.expressions.expression import parse

__all__ = ["NAMES", "Gate", "around", "find", "made"]
"""And every gate of ``NAMES``."""


@dataclass(frozen=True)
class Gate:
    """A named function: ``expression`` is its text with the parameters filled in, ``domain`` a usual one for a fit."""

    name: str
    expression: str
    domain: Domain
    breakpoints: tuple[Fraction, ...] = ()


def made(name: str, text: str, *intervals: tuple[object, object]) -> Gate:
    """A gate from its expression and the intervals of its usual domain.

    >>> made("relu", "max(x, 0)", (-1, 1))
    Gate(name='relu', expression='max(x, 0)', domain=Domain([-1, 1]), breakpoints=(Fraction(0, 1),))
    """
    formula, domain = parse(text), Domain.of(list(intervals))
    return Gate(name, formula.text, domain, formula.breakpoints(domain.lower, domain.upper))


def _fixed(name: str, text: str, reach: int, source: str = "") -> Callable[[], Gate]:
    # A gate without parameters; its usual domain is [-reach, reach].
    def gate() -> Gate:
        return made(name, text, (-reach, reach))

    gate.__name__ = gate.__qualname__ = name
    gate.__doc__ = f"``{text}`` on [{-reach}, {reach}]{source and f' ({source})'}."
    return gate


def _number(value: object) -> str:
    return f"({fraction(value)})"


def around(jump: object, gap: object, name: str) -> tuple[tuple[Fraction, Fraction], ...]:
    """[-1, 1], or a wider hull where the jump lies far out, without the open gap around the jump."""
    at, half = fraction(jump), fraction(gap)
    if half <= 0:
        raise ValueError(f"the gap of {name} must be positive, not {gap}: a jump cannot be approximated without one")
    reach = max(Fraction(1), 2 * (abs(at) + half))
    return (-reach, at - half), (at + half, reach)


relu = _fixed("relu", "max(x, 0)", 1)
abs_ = _fixed("abs", "abs(x)", 1, "Newman's problem")
gelu = _fixed("gelu", "x / 2 * (1 + erf(x / sqrt(2)))", 8, "Hendrycks & Gimpel 2016")
gelu_tanh = _fixed("gelu_tanh", "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))", 8, "the tanh form of GELU")
silu = _fixed("silu", "x * sigmoid(x)", 8)
sigmoid = _fixed("sigmoid", "sigmoid(x)", 8, "1 / (1 + exp(-x))")
tanh = _fixed("tanh", "tanh(x)", 8)
erf = _fixed("erf", "erf(x)", 4)
softplus = _fixed("softplus", "softplus(x)", 8, "log(1 + exp(x))")
mish = _fixed("mish", "x * tanh(softplus(x))", 8, "Misra 2019")
# The self-normalising ELU with its two constants.
_SCALE, _ALPHA = "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"
selu = _fixed("selu", f"{_SCALE} * where(x > 0, x, {_ALPHA} * expm1(x))", 4, "Klambauer et al. 2017")
hardswish = _fixed("hardswish", "x * clip(x + 3, 0, 6) / 6", 6, "Howard et al. 2019")
hardsigmoid = _fixed("hardsigmoid", "clip(x + 3, 0, 6) / 6", 6)
tanhshrink = _fixed("tanhshrink", "x - tanh(x)", 8)
logsigmoid = _fixed("logsigmoid", "-softplus(-x)", 8, "log(sigmoid(x))")
softsign = _fixed("softsign", "x / (1 + abs(x))", 8)


def leaky_relu(slope: object = 0.01) -> Gate:
    """``x`` for positive ``x``, ``slope * x`` otherwise (Maas et al. 2013)."""
    return made("leaky_relu", f"where(x > 0, x, {_number(slope)} * x)", (-1, 1))


def jumprelu(threshold: object = 0.3, gap: object = 0.05) -> Gate:
    """``x * [x > threshold]`` (Rajamanoharan et al. 2024), with a gap of that half-width around the jump.

    >>> jumprelu(threshold=0.3, gap=0.05).domain
    Domain([-1, 1/4] u [7/20, 1])
    """
    return made("jumprelu", f"where(x > {_number(threshold)}, x, 0)", *around(threshold, gap, "jumprelu"))


def topk(threshold: object = 0.3, gap: object = 0.05) -> Gate:
    """The TopK gate once its separating threshold is supplied: ``x * [x > threshold]``, as JumpReLU."""
    return made("topk", f"where(x > {_number(threshold)}, x, 0)", *around(threshold, gap, "topk"))


def heaviside(gap: object = 0.05) -> Gate:
    """The unit step on ``[-1, -gap] u [gap, 1]``."""
    return made("heaviside", "heaviside(x)", *around(0, gap, "heaviside"))


def sign(gap: object = 0.05) -> Gate:
    """``sign(x)`` on ``[-1, -gap] u [gap, 1]`` (Zolotarev's problem)."""
    return made("sign", "sign(x)", *around(0, gap, "sign"))


def elu(alpha: object = 1) -> Gate:
    """``x`` for positive ``x``, ``alpha (exp(x) - 1)`` otherwise (Clevert et al. 2015)."""
    return made("elu", f"where(x > 0, x, {_number(alpha)} * expm1(x))", (-4, 4))


def celu(alpha: object = 1) -> Gate:
    """``x`` for positive ``x``, ``alpha (exp(x / alpha) - 1)`` otherwise (Barron 2017)."""
    if fraction(alpha) == 0:
        raise ValueError("alpha of celu must not be zero")
    return made("celu", f"where(x > 0, x, {_number(alpha)} * expm1(x / {_number(alpha)}))", (-4, 4))


def hardtanh(lower: object = -1, upper: object = 1) -> Gate:
    """``clip(x, lower, upper)``."""
    low, high = fraction(lower), fraction(upper)
    if not low < high:
        raise ValueError(f"hardtanh needs lower < upper, not {lower} and {upper}")
    reach = 2 * max(abs(low), abs(high))
    return made("hardtanh", f"clip(x, ({low}), ({high}))", (-reach, reach))


def relu6() -> Gate:
    """``clip(x, 0, 6)``."""
    return made("relu6", "clip(x, 0, 6)", (-1, 7))


def hardshrink(threshold: object = 0.5, gap: object = 0.05) -> Gate:
    """``x * [abs(x) > threshold]``, with a gap of that half-width around both jumps."""
    at, half = fraction(threshold), fraction(gap)
    if not 0 < half < at:
        raise ValueError(f"hardshrink needs 0 < gap < threshold, not gap {gap} and threshold {threshold}")
    reach = max(Fraction(1), 2 * (at + half))
    intervals = ((-reach, -at - half), (half - at, at - half), (at + half, reach))
    return made("hardshrink", f"where(x > {at}, x, where(x < -({at}), x, 0))", *intervals)


def threshold(threshold: object = 0.1, value: object = 20, gap: object = 0.05) -> Gate:
    """``x`` above the threshold, ``value`` otherwise, with a gap of that half-width where it jumps.

    torch's ``Threshold`` has no default parameters: these are those of its documentation.
    """
    at, other = fraction(threshold), fraction(value)
    where = [(at - 8, at + 8)] if at == other else around(at, gap, "threshold")
    return made("threshold", f"where(x > {_number(at)}, x, {_number(other)})", *where)


def softshrink(threshold: object = 0.5) -> Gate:
    """``x - clip(x, -threshold, threshold)``."""
    at = _number(threshold)
    return made("softshrink", f"x - clip(x, -{at}, {at})", (-2, 2))


NAMES: dict[str, Callable[[], Gate]] = {
    gate.__name__: gate
    for gate in (
        *(relu, leaky_relu, jumprelu, topk, heaviside, sign, abs_, gelu, gelu_tanh, silu, sigmoid, tanh),
        *(erf, softplus, mish, elu, celu, selu, hardswish, hardsigmoid, hardtanh, softsign),
        *(relu6, hardshrink, softshrink, tanhshrink, logsigmoid, threshold),
    )
}
"""Every gate by its name; called without arguments each gives its usual parameters."""


def find(value: object) -> Gate | None:
    """A gate itself, the gate of that name, or None.

    >>> find("gelu").expression, find("tanh(x)")
    ('x / 2 * (1 + erf(x / sqrt(2)))', None)
    """
    if isinstance(value, Gate):
        return value
    return NAMES[value]() if isinstance(value, str) and value in NAMES else None
