"""Enclosures of special functions, over balls and over series of balls, from Arb's values at points.

Of a ball, Arb's own values are sharp only where it is narrow. So every function here brings what is known of all its
derivatives: that they are monotone, a bound, or a formula in functions that are. The references are DLMF's sections.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial
from typing import Any

import flint
from flint import arb, arb_series

from rational_approx.arithmetic.precision import to_arb
from rational_approx.expressions.gamma import digamma

__all__ = ["SPECIAL"]

Coefficients = Callable[[arb, int], list[arb]]
"""The first Taylor coefficients of a function at every point of a ball; not finite where there may be none."""


Orders = Callable[[Fraction, arb, int], dict[int, arb]]
"""Values on a ball at the orders ``v + m`` with ``abs(m) < n``, by m."""


def _series(coefficients: Coefficients) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        if isinstance(x, arb):
            return coefficients(x, 1)[0]
        n = x.prec
        found = coefficients(x[0], n)
        if not all(c.is_finite() for c in found):
            return arb_series([arb.nan()] * n, prec=n)
        return arb_series(found, prec=n)(arb_series([0, *(x[k] for k in range(1, n))], prec=n))

    return function


def _ends(x: arb) -> tuple[arb, arb]:
    return x.lower().lower(), x.upper().upper()


def _none(n: int) -> list[arb]:
    return [arb.nan()] * n


def _between(function: Callable[[arb], arb], x: arb) -> arb:
    # The values of a monotone function.
    low, high = _ends(x)
    return function(low) if low == high else function(low).union(function(high))


# -- Bessel functions (DLMF 10) --------------------------------------------------------------------------------------
#
# With C for J, Y and I, and (-1)^k C for K: 2^k C_v^(k) = sum over j of s^j (k over j) C_(v - k + 2j), s = -1 for J and
# Y, else 1 (10.6.1, 10.29.1). For x > 0, J^2 + Y^2 falls (Nicholson, 10.9.30), which bounds both and their slopes; K
# falls, and I grows where its order is not negative. J_n of an integer order has a slope of at most 1 everywhere.


def _modulus(order: arb, x: arb) -> arb:
    j, y = x.bessel_j(order), x.bessel_y(order)
    return (j * j + y * y).sqrt()


def _cylinders(name: str) -> Orders:
    # By the mean value theorem with the slope at the middle: beside a zero a bound of the slope alone is too large.
    def values(order: Fraction, x: arb, n: int) -> dict[int, arb]:
        v, middle, radius = to_arb(order), arb(x.mid()), arb(x.rad())
        entire = name == "bessel_j" and order.denominator == 1
        if not entire and not x > 0:
            return dict.fromkeys(range(1 - n, n), arb.nan())
        if radius < arb(2) ** -(flint.ctx.prec // 2):  # what rounding leaves of a point
            return {m: getattr(x, name)(v + m) for m in range(1 - n, n)}
        low = _ends(x)[0]
        at = {m: getattr(middle, name)(v + m) for m in range(-n, n + 1)}
        most = {m: arb(1) if entire else _modulus(v + m, low) for m in range(-n - 1, n + 2)}
        found = {}
        for m in range(1 - n, n):
            slope = (most[m - 1] + most[m + 1]) / 2
            bend = (most[m - 2] + 2 * most[m] + most[m + 2]) / 4
            near = abs(at[m - 1] - at[m + 1]) / 2 + radius * bend
            found[m] = at[m] + arb(0, (radius * slope.upper().min(near.upper())).upper())
        return found

    return values


def _bessel_i(order: Fraction, x: arb) -> arb:
    if order.denominator == 1:
        v = to_arb(abs(order))
        low, high = _ends(x)
        if order % 2 == 0 and not (x > 0 or x < 0):
            return arb(0).bessel_i(v).union(abs(x).upper().bessel_i(v))
        return low.bessel_i(v) if low == high else low.bessel_i(v).union(high.bessel_i(v))
    if not x > 0:
        return arb.nan()
    v = to_arb(abs(order))
    value = _between(lambda u: u.bessel_i(v), x)
    if order < 0:  # 10.27.2
        value += 2 / arb.pi() * v.sin_pi() * _bessel_k(order, x)
    return value


def _bessel_k(order: Fraction, x: arb) -> arb:
    return _between(lambda u: u.bessel_k(to_arb(abs(order))), x) if x > 0 else arb.nan()


def _one_by_one(value: Callable[[Fraction, arb], arb]) -> Orders:
    return lambda order, box, n: {m: value(order + m, box) for m in range(1 - n, n)}


def _bessel(values: Orders, sign: int, outer: int) -> Callable[[Fraction, Any], Any]:
    def function(order: Fraction, x: Any) -> Any:
        def coefficients(box: arb, n: int) -> list[arb]:
            known = values(order, box, n)
            return [
                sum((sign**j * comb(k, j) * known[2 * j - k] for j in range(k + 1)), arb(0))
                * outer**k
                / (2**k * factorial(k))
                for k in range(n)
            ]

        return _series(coefficients)(x)

    return function


# -- Airy functions (DLMF 9): y'' = x y ------------------------------------------------------------------------------


def _airy(name: str) -> Coefficients:
    def coefficients(x: arb, n: int) -> list[arb]:
        middle, spread = arb(x.mid()), arb(0, x.rad())

        def wide(order: int) -> arb:
            return getattr(x, name)(derivative=order)

        # Values and slopes by the mean value theorem, which are sharper than those of a wide ball.
        y = [getattr(middle, name)() + wide(1) * spread, getattr(middle, name)(derivative=1) + x * wide(0) * spread]
        y.append(x * y[0] / 2)
        for k in range(1, n - 2):
            y.append((x * y[k] + y[k - 1]) / ((k + 1) * (k + 2)))
        return y[:n]

    return coefficients


# -- others ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=100)
def _lambert_polynomial(k: int) -> tuple[int, ...]:
    # W^(k) = exp(-k W) p_k(W) / (1 + W)^(2k - 1), p_1 = 1, p_(k+1) = -(k w + 3k - 1) p_k + (1 + w) p_k'.
    if k == 1:
        return (1,)
    p, j = _lambert_polynomial(k - 1), k - 1
    out = [0] * (len(p) + 1)
    for i, c in enumerate(p):
        out[i] += i * c - (3 * j - 1) * c
        out[i + 1] -= j * c
        if i:
            out[i - 1] += i * c
    return tuple(out)


def _lambertw(x: arb, n: int) -> list[arb]:
    if not x > -arb(-1).exp():
        return _none(n)
    w = _between(lambda u: u.lambertw(), x)
    out, fall, inverse = [w], (-w).exp(), 1 / (1 + w)
    for k in range(1, n):
        p = arb(0)
        for c in reversed(_lambert_polynomial(k)):
            p = p * w + c
        out.append(fall**k * p * inverse ** (2 * k - 1) / factorial(k))
    return out


def _zeta(x: arb, n: int) -> list[arb]:
    if not (x > 1 or x < 1):
        return _none(n)
    if not x > 1:
        return [v if n > 1 else x.zeta() for v in _coefficients(arb_series([x, 1], prec=n).zeta(), n)]
    # zeta is the sum of m^-x: the size of every derivative falls
    low, high = (_coefficients(arb_series([end, 1], prec=n).zeta(), n) for end in _ends(x))
    return [a.union(b) for a, b in zip(low, high)]


def _coefficients(series: arb_series, n: int) -> list[arb]:
    return [series[k] for k in range(n)]


def _sinc(x: arb, n: int) -> list[arb]:
    if n == 1 and x.is_exact():
        return [x.sinc()]
    if not abs(x) < 1 and not x.contains(0):
        return _coefficients(arb_series([x, 1], prec=n).sin() / arb_series([x, 1], prec=n), n)
    if not abs(x) < 1:  # the integral of cos(s x) over s from 0 to 1: its k-th derivative is at most 1 / (k + 1)
        return [arb(0, (arb(1) / (factorial(k) * (k + 1))).upper()) for k in range(n)]
    # The series around 0, shifted; its terms beyond the last fall by more than half.
    last = n + flint.ctx.prec // 8
    powers = [arb(1)]
    for _ in range(2 * last):
        powers.append(powers[-1] * x)
    rest = (abs(x).upper() * arb(4) ** (last + 1) * 2 / factorial(2 * last + 3)).upper()
    return [
        sum(
            (
                (-1) ** j * comb(2 * j, k) * powers[2 * j - k] / factorial(2 * j + 1)
                for j in range((k + 1) // 2, last + 1)
            ),
            arb(0, rest),
        )
        for k in range(n)
    ]


def _erfinv(x: arb, n: int) -> list[arb]:
    if not (x > -1 and x < 1):
        return _none(n)
    y = arb_series([_between(lambda u: u.erfinv(), x)], prec=n)
    half = arb.pi().sqrt() / 2
    for _ in range(n - 1):  # y' = sqrt(pi) / 2 exp(y^2): one coefficient more each time
        slope = (y * y).exp() * half
        y = arb_series([y[0], *(slope[k] / (k + 1) for k in range(n - 1))], prec=n)
    return _coefficients(y, n)


def _dawson(x: arb, n: int) -> list[arb]:
    # F' = 1 - 2 x F lies between -1/3 and 1; F is half the integral of exp(-t^2 / 4) sin(x t) (DLMF 7.5.1, 7.7.2),
    # and so its k-th derivative at most 2^(k - 1) gamma((k + 1) / 2). Where abs(z - x) <= x / 2, the real part of z^2
    # is at least abs(z)^2 / 2, and abs(F(z)) <= 2 / abs(z) <= 4 / x: F^(k) / k! is at most (4 / x) (2 / x)^k (Cauchy).
    middle = arb(x.mid())
    value = arb.pi().sqrt() / 2 * (-middle * middle).exp() * middle.erfi() + arb(0, x.rad())
    y = [value]
    for k in range(n - 1):
        y.append(((1 if k == 0 else 0) - 2 * (x * y[k] + (y[k - 1] if k else 0))) / (k + 1))
    bounds = [arb(2) ** (k - 1) * (arb(k + 1) / 2).gamma() / factorial(k) for k in range(n)]
    if abs(x) > 2:
        least = abs(x).lower()
        bounds = [4 / least * (2 / least) ** k for k in range(n)]
    return [a if a.rad() < b else arb(0, b.upper()) for a, b in zip(y, bounds)]


def _gammainc(upper: bool) -> Callable[[Fraction, Any], Any]:
    def function(order: Fraction, x: Any) -> Any:
        s = to_arb(order)

        def point(u: arb) -> arb:
            if not u > 0:
                return arb(1 if upper else 0)
            return u.gamma_upper(s, regularized=1) if upper else u.gamma_lower(s, regularized=1)

        def coefficients(box: arb, n: int) -> list[arb]:
            low, high = _ends(box)
            if high < 0:
                return _none(n)
            out = [point(low).union(point(high))]
            if n > 1:  # the derivative is x^(s - 1) exp(-x) / gamma(s), up to its sign
                t = arb_series([box, 1], prec=n - 1)
                if order.denominator == 1:
                    power = t**0
                    for _ in range(int(order) - 1):
                        power = power * t
                elif box > 0:
                    power = (t.log() * (s - 1)).exp()
                else:
                    return out + _none(n - 1)
                slope = power * (-t).exp() / s.gamma() * (-1 if upper else 1)
                out += [slope[k] / (k + 1) for k in range(n - 1)]
            return out

        return _series(coefficients)(x)

    return function


SPECIAL: dict[str, Callable[..., Any]] = {
    "besselj": _bessel(_cylinders("bessel_j"), -1, 1),
    "bessely": _bessel(_cylinders("bessel_y"), -1, 1),
    "besseli": _bessel(_one_by_one(_bessel_i), 1, 1),
    "besselk": _bessel(_one_by_one(_bessel_k), 1, -1),
    "airyai": _series(_airy("airy_ai")),
    "airybi": _series(_airy("airy_bi")),
    "lambertw": _series(_lambertw),
    "zeta": _series(_zeta),
    "digamma": digamma,
    "sinc": _series(_sinc),
    "erfinv": _series(_erfinv),
    "dawson": _series(_dawson),
    "gammainc": _gammainc(False),
    "gammaincc": _gammainc(True),
}
"""Those of one argument, and those of an exact order and an argument."""
