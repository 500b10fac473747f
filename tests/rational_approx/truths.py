"""Best uniform errors that are known from elsewhere."""

import json
from pathlib import Path
from typing import Any

import mpmath

# The notation of the table, in the notation of expressions.
WRITTEN = {
    "x*[x>0.3]": "where(x > 0.3, x, 0)",
    "x>0?x:exp(x)-1": "where(x > 0, x, exp(x) - 1)",
    "x/2*(1+erf(x/sqrt2))": "x/2*(1+erf(x/sqrt(2)))",
}
WEIGHTS = {"1": None, "1/f": "relative"}


def best_errors(shared: Path) -> dict[str, dict[str, Any]]:
    """The shared table of best errors by name, each with the arguments of ``fit`` and the error as text."""
    cases = json.loads((shared / "data" / "best_errors.json").read_text())["cases"]
    return {
        case["name"]: {
            "target": WRITTEN.get(case["f"], case["f"]),
            "degree": (case["p"], case["q"]),
            "domain": [tuple(pair) for pair in case["domain"]],
            "weight": WEIGHTS.get(case["weight"], case["weight"]),
            "error": case["E"],
            "digits": case["digits_sure"],
        }
        for case in cases
    }


def zolotarev_sign_error(n: int, gap: mpmath.mpf) -> mpmath.mpf:
    """Best error of sign on [-1, -gap] u [gap, 1] by rationals of type (2n - 1, 2n) and (2n + 1, 2n) alike.

    Zolotarev's fourth problem, solved by Jacobi's elliptic functions: with the modulus ``k = gap`` and the complete
    integral ``K' = K(sqrt(1 - k^2))``, the extremal function is ``M x prod (1 + x^2 / c_2j) / (1 + x^2 / c_2j-1)`` with
    ``c_j = k^2 sn^2(j K' / m) / cn^2(j K' / m)``, scaled to swing evenly about 1 (Akhiezer 1990, section 50).
    """
    m = 2 * n + 1
    complementary = 1 - gap**2
    quarter = mpmath.ellipk(complementary)
    c = []
    for j in range(1, m):
        u = j * quarter / m
        sn, cn = (mpmath.ellipfun(kind, u, m=complementary) for kind in ("sn", "cn"))
        c.append((gap * sn / cn) ** 2)

    def shape(x: mpmath.mpf) -> mpmath.mpf:
        total = x
        for j in range(n):
            total *= (x**2 + c[2 * j + 1]) / (x**2 + c[2 * j])
        return total

    # The swings are extreme at x = gap / dn(i K' / m), which includes both ends of the interval.
    points = [gap, mpmath.mpf(1)]
    points += [gap / mpmath.ellipfun("dn", i * quarter / m, m=complementary) for i in range(1, m)]
    values = [shape(x) for x in points]
    low, high = min(values), max(values)
    return (high - low) / (high + low)
