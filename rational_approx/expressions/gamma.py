"""Enclosures of gamma, its logarithm and digamma: every derivative of ``log(gamma)`` is monotone for x > 0.

So the coefficients of a series over a ball lie between those at its two ends; by the general arithmetic of series over
balls they would be wider by orders of magnitude.
"""

from typing import Any

from flint import arb, arb_series

from rational_approx.arithmetic.precision import series_length

__all__ = ["digamma", "gamma", "loggamma"]


def loggamma(x: Any) -> Any:
    """``log(gamma(x))`` of a ball or a series of balls; not finite where x may not be positive."""
    if isinstance(x, arb):
        return x.lgamma() if x > 0 else arb.nan()
    if not x[0] > 0:
        return arb_series([arb.nan()] * x.prec)
    n = x.prec
    if n == 1:
        return arb_series([x[0].lgamma()], prec=1)
    lower, upper = x[0].lower().lower(), x[0].upper().upper()
    ends = [arb_series([end, 1], prec=n).lgamma() for end in (lower, upper)]
    coefficients = [a.union(b) for a, b in zip(*([end[k] for k in range(n)] for end in ends))]
    # The value itself is not monotone: one end, and the mean value theorem.
    coefficients[0] = ends[0][0] + coefficients[1] * arb(0).union(upper - lower)
    known = arb_series(coefficients, prec=n)
    return known(arb_series([0, *(x[k] for k in range(1, n))], prec=n))


def gamma(x: Any) -> Any:
    """``gamma(x)`` of a ball or a series of balls; not finite at a pole."""
    start = x if isinstance(x, arb) else x[0]
    if not start > 0 and start.contains_integer():  # said at once: the general arithmetic takes seconds to find out
        return arb.nan() if isinstance(x, arb) else arb_series([arb.nan()] * x.prec)
    if isinstance(x, arb):
        return x.gamma()
    if x[0] > 0:
        return loggamma(x).exp()
    sine = (x * arb.pi()).sin()
    if not x[0] < 1 or sine[0].contains(0):
        return x.gamma()
    return arb.pi() / (sine * gamma(1 - x))


def digamma(x: Any) -> Any:
    """The derivative of ``loggamma`` of a ball or a series of balls, also for negative x; not finite at a pole."""
    start = x if isinstance(x, arb) else x[0]
    if start > 0:
        if isinstance(x, arb):  # increasing
            return x.lower().lower().digamma().union(x.upper().upper().digamma())
        n = x.prec
        with series_length(n + 1):
            slope = loggamma(arb_series([x[0], 1], prec=n + 1)).derivative()
        return slope(arb_series([0, *(x[k] for k in range(1, n))], prec=n))
    if start.contains_integer():
        return arb.nan() if isinstance(x, arb) else arb_series([arb.nan()] * x.prec)
    return digamma(1 - x) - arb.pi() * x.cot_pi()
