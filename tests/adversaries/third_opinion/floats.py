"""Values of branch-free formulas in float64, for a search."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import special

from tests.adversaries.third_opinion.reader import Tree
from tests.adversaries.third_opinion.values import exponent

__all__ = ["floats"]

FLOATS: dict[str, Callable[[Any], Any]] = {
    **{
        name: getattr(np, name)
        for name in ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "log", "log1p", "expm1")
    },
    **{name: getattr(np, "arc" + name[1:]) for name in ("atan", "asinh", "asin", "acos", "acosh", "atanh")},
    "erf": special.erf,
    "erfc": special.erfc,
    "gamma": special.gamma,
    "loggamma": special.gammaln,
    "sigmoid": special.expit,
    "softplus": lambda u: np.logaddexp(u, 0.0),
    "lambertw": lambda u: special.lambertw(u).real,
    "airyai": lambda u: special.airy(u)[0],
    "airybi": lambda u: special.airy(u)[2],
    "zeta": special.zeta,
    "digamma": special.psi,
    "sinc": lambda u: np.sinc(u / np.pi),
    "erfinv": special.erfinv,
    "dawson": special.dawsn,
}
ORDERED = {
    **{"besselj": special.jv, "bessely": special.yv, "besseli": special.iv, "besselk": special.kv},
    **{"gammainc": special.gammainc, "gammaincc": special.gammaincc},
}


def floats(tree: Tree, x: np.ndarray) -> np.ndarray:
    """Values in float64, NaN or infinite where there are none; only for a search."""
    if isinstance(tree, Fraction):
        try:
            return np.full_like(x, float(tree))
        except OverflowError:
            return np.full_like(x, np.inf)
    if isinstance(tree, str):
        return x if tree == "x" else np.full_like(x, np.pi if tree == "pi" else np.e)
    kind = tree[0]
    a = floats(tree[1], x)
    if kind == "neg":
        return -a
    if kind == "^":
        c = exponent(tree)
        if c is not None:
            return a ** (int(c) if c.denominator == 1 and abs(c) < 2**30 else float(c))
        return a ** floats(tree[2], x)
    if kind in ("+", "-", "*", "/"):
        b = floats(tree[2], x)
        if kind == "/":  # near a hole both sides have lost their digits
            small = [np.abs(side) < 1e-5 * np.max(np.abs(side), initial=0, where=np.isfinite(side)) for side in (a, b)]
            return np.where(small[0] & small[1], np.nan, a / b)
        return a + b if kind == "+" else a - b if kind == "-" else a * b
    name, _, order = kind.partition(" ")
    return np.asarray(ORDERED[name](float(Fraction(order)), a) if order else FLOATS[name](a))
