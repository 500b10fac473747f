"""Random rationals for the refuters, the inputs at which they are tried, and exact values."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import flint
import numpy as np

from rational_approx import Domain, Rational
from rational_approx.arithmetic.floats import round_to

__all__ = ["Case", "Run", "fixed", "inputs", "largest", "random_case"]

Run = Callable[[np.ndarray], np.ndarray]


class Case(NamedTuple):
    """A rational, and how its code calculates."""

    rational: Rational
    scheme: str
    dtype: str
    fma: bool


def fixed() -> list[Case]:
    """Cases that broke the bound once.

    1/(1 + x^2), where the sum with the constant 1 was taken for a doubling; and a quadratic of Chebyshev polynomials,
    where XLA merged two constants of JAX code, whose difference is rounded far from 0 and the sums next to it.
    """
    one, zero = Fraction(1), Fraction(0)
    broken = Rational((one,), (one, zero, one), Domain.of((-1, 1)), "monomial")
    square = (Fraction(11725661, 2**24), zero, Fraction(-2931415, 2**23))
    merged = Rational(square, (one,), Domain.of([(-1, "-63/64"), ("63/64", 1)]))
    doubled = [
        Case(broken, scheme, dtype, False) for scheme in ("horner", "estrin") for dtype in ("float32", "float64")
    ]
    return [*doubled, Case(merged, "clenshaw", "float32", False)]


# -- random cases ----------------------------------------------------------------------------------------------------


def coefficients(rng: np.random.Generator, count: int, dtype: str) -> list[Fraction]:
    """Of one kind, or of all kinds mixed."""
    kinds: dict[str, Callable[[], Fraction]] = {
        "ones": lambda: Fraction(1),
        "signs": lambda: Fraction(int(rng.choice([-1, 0, 1]))),
        "powers": lambda: Fraction(2) ** int(rng.integers(-6, 7)) * int(rng.choice([-1, 1])),
        "equal": lambda: same,
        "integers": lambda: Fraction(int(rng.integers(-9, 10))),
        "floats": lambda: round_to(Fraction(float(rng.normal())), dtype),
        "wide": lambda: round_to(Fraction(float(rng.normal() * 2.0 ** rng.integers(-30, 31))), dtype),
        "tiny": lambda: Fraction(float(rng.normal())) * Fraction(2) ** int(rng.integers(-140, -90)),
        "not in the type": lambda: Fraction(int(rng.integers(-99, 100)), int(rng.integers(1, 100))),
    }
    same = kinds[str(rng.choice(["floats", "powers", "not in the type"]))]()
    chances = np.array([1, 1, 1, 1, 2, 4, 1, 0.5, 1, 2])
    kind = str(rng.choice([*kinds, "mixed"], p=chances / chances.sum()))
    names = [str(rng.choice(list(kinds)[:-2])) if kind == "mixed" else kind for _ in range(count)]
    return [kinds[name]() for name in names]


def polynomial(rng: np.random.Generator, degree: int, dtype: str) -> list[Fraction]:
    """With all powers, the odd or the even ones, or few."""
    c = coefficients(rng, degree + 1, dtype)
    pattern = str(rng.choice(["all", "odd", "even", "few"], p=[0.55, 0.15, 0.15, 0.15]))
    for k in range(degree + 1):
        if (
            (pattern == "odd" and k % 2 == 0)
            or (pattern == "even" and k % 2)
            or (pattern == "few" and rng.random() < 0.6)
        ):
            c[k] = Fraction(0)
    return c


def domain(rng: np.random.Generator) -> Domain:
    """About 0, on one side of it, far away, tiny, or a union."""
    kind = str(rng.choice(["unit", "symmetric", "any", "side", "far", "tiny", "union"]))
    if kind == "unit":
        return Domain.of((-1, 1))
    if kind == "symmetric":
        return Domain.of((-(end := Fraction(int(rng.integers(1, 200)), 16)), end))
    if kind == "side":
        ends = (Fraction(0), Fraction(int(rng.integers(1, 100)), 10))
        return Domain.of(ends if rng.random() < 0.5 else (-ends[1], -ends[0]))
    if kind in ("far", "tiny"):
        start = Fraction(int(rng.integers(-3000, 3000)), 7 if kind == "tiny" else 1)
        return Domain.of((start, start + Fraction(int(rng.integers(1, 99)), 2**16 if kind == "tiny" else 20)))
    numbers = sorted({Fraction(round(float(v) * 1000), 1000) for v in rng.normal(size=2 if kind == "any" else 6) * 3})
    return Domain.of(list(zip(numbers[::2], numbers[1::2]))) if len(numbers) > 1 else domain(rng)


def random_case(rng: np.random.Generator) -> Case:
    """A case whose denominator has no zero on a grid; it may still have no bound."""
    while True:
        dtype = str(rng.choice(["float32", "float64"], p=[0.65, 0.35]))
        scheme = str(rng.choice(["horner", "estrin", "clenshaw"]))
        p, q = (min(int(rng.integers(0, top)), int(rng.integers(0, top + 3))) for top in (10, 9))
        where, sides = domain(rng), [polynomial(rng, degree, dtype) for degree in (p, q)]
        if rng.random() < 0.5:  # a denominator that is far from zero near 0
            sides[1][0] = sum(map(abs, sides[1]), Fraction(1))
        if not any(sides[1]):
            continue
        basis = "chebyshev" if scheme == "clenshaw" else "monomial"
        case = Case(Rational(*map(tuple, sides), where, basis), scheme, dtype, bool(rng.random() < 0.4))  # type: ignore[arg-type]
        if all(first <= last for first, last in numbers_at_the_ends(case)):
            bottom = estimated(case, np.concatenate([np.linspace(*ends, 64) for ends in numbers_at_the_ends(case)]))[1]
            if (bottom > 0).all() or (bottom < 0).all():
                return case


# -- inputs and exact values -----------------------------------------------------------------------------------------


def numbers_at_the_ends(case: Case) -> list[tuple[Any, Any]]:
    """The first and the last number of the type in each interval."""
    kind, out = np.dtype(case.dtype).type, []
    for lower, upper in case.rational.domain.intervals:
        first, last = (kind(float(round_to(end, case.dtype))) for end in (lower, upper))  # type: ignore[arg-type]
        first = first if Fraction(float(first)) >= lower else np.nextafter(first, kind(np.inf))
        last = last if Fraction(float(last)) <= upper else np.nextafter(last, kind(-np.inf))
        out.append((first, last))
    return out


def estimated(case: Case, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator in long double: to find the worst points, which are then taken exactly."""
    wide, rational = x.astype(np.longdouble), case.rational
    value = np.polynomial.polynomial.polyval
    if rational.basis == "chebyshev":
        lower, upper = (np.longdouble(float(end)) for end in (rational.domain.lower, rational.domain.upper))
        wide, value = (2 * wide - (lower + upper)) / (upper - lower), np.polynomial.chebyshev.chebval
    sides = [np.array([extended(c) for c in side]) for side in (rational.numerator, rational.denominator)]
    return value(wide, sides[0]), value(wide, sides[1])


def extended(c: Fraction) -> np.longdouble:
    high = float(c)
    return np.longdouble(high) + np.longdouble(float(c - Fraction(high)))


def neighbours(x: np.ndarray, reach: int) -> np.ndarray:
    """All numbers of the type near some."""
    steps = np.arange(-reach, reach + 1, dtype=np.int32 if x.dtype == np.float32 else np.int64)
    with np.errstate(all="ignore"):
        return (x.view(steps.dtype)[:, None] + steps).view(x.dtype).ravel()


def inside(case: Case, x: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([x[(x >= first) & (x <= last)] for first, last in numbers_at_the_ends(case)]))


def inputs(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Random numbers, the ends, the powers of two and 0, and where a polynomial is smallest, with their neighbours."""
    ends = numbers_at_the_ends(case)
    spread = np.concatenate([rng.uniform(first, last, 150) for first, last in ends]).astype(case.dtype)
    powers = np.ldexp(np.ones(24), np.arange(-13, 11)).astype(case.dtype)
    small = [np.abs(side).argsort()[:3] for side in estimated(case, spread)]
    special = [np.array(ends).ravel(), powers, -powers, spread[np.concatenate(small)]]
    near = neighbours(np.concatenate(special).astype(case.dtype), 3)
    zero = np.array([0, 1e-30, -1e-30, 2.0**-126, 2.0**-149], dtype=case.dtype)
    return inside(case, np.concatenate([spread, near, zero]))


def largest(case: Case, run: Run, x: np.ndarray, bound: Fraction) -> tuple[float, float, int]:
    """The largest difference over the bound, exact at the worst points; a local search about the worst comes after."""
    best, at, tried = Fraction(-1), float("nan"), 0
    for _ in range(2):
        with np.errstate(all="ignore"):
            y = run(x)
            top, bottom = estimated(case, x)
            difference = np.abs(top / bottom - y)
        tried += x.size
        difference[~np.isfinite(difference)] = np.inf
        worst = difference.argsort()[-4:]
        for k in worst:
            if not np.isfinite(y[k]):
                return float("inf"), float(x[k]), tried
            found = abs(Fraction(float(y[k])) - exact(case.rational, Fraction(float(x[k]))))
            if found > best:
                best, at = found, float(x[k])
        x = inside(case, neighbours(x[worst], 30))
    return (float(best / bound) if bound else float(best > 0) * np.inf), at, tried


def exact(rational: Rational, x: Fraction) -> Fraction:
    top, bottom = (side(flint.fmpq(x.numerator, x.denominator)) for side in rational.polynomials)
    return Fraction(int((top / bottom).p), int((top / bottom).q))
