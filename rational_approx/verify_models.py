"""The verifier: the error on one piece, at points and as Taylor models, and whether it stays below a bound.

On a box of midpoint m and half-width h, ``e(m + t) = sum_{k < n} e_k t^k + t^n V(t)``. Of f and w, ``V^(j) / j!`` is
the coefficient ``n + j`` of the series over the whole box; of P/Q with the Taylor polynomial C, V is exactly ``S / Q``,
where ``P - C Q = t^n S``. Standard library only; see ``verify.py``.
"""

from contextlib import suppress
from fractions import Fraction
from math import comb
from typing import Any

if __package__:
    from rational_approx.verify_arithmetic import Arithmetic, Interval, Jet
    from rational_approx.verify_reading import Failure
else:  # run alone, beside the other files
    from verify_arithmetic import Arithmetic, Interval, Jet  # type: ignore[import-not-found, no-redef]
    from verify_reading import Failure  # type: ignore[import-not-found, no-redef]

__all__ = ["Curve"]

BEYOND = 4
"""How many Taylor coefficients of V are kept: enough for three derivatives of the error."""
ONE = ("number", Fraction(1))
Model = tuple[Jet, Jet]


def largest(interval: Interval) -> int:
    """The largest absolute value."""
    return max(abs(interval[0]), abs(interval[1]))


class Curve:
    """``weight (target - top / bottom)``, its polynomials as intervals in powers of the variable.

    ``order`` coefficients make a Taylor model. With ``slopes``, everything is about the derivative of the error.
    """

    def __init__(self, math: Arithmetic, trees: Any, sides: list[Jet], order: int, slopes: int = 0) -> None:
        self.math, self.trees, self.sides, self.order, self.slopes = math, trees, sides, order, slopes

    def at(self, x: Fraction, order: int = 1) -> Jet:
        """Taylor coefficients at a point."""
        m, centre = self.math, self.math.exact(x)
        count = order + self.slopes
        u = [centre, (m.one, m.one), *[(0, 0)] * count][:count]
        f, w = (m.evaluate(tree, u) for tree in self.trees)
        r = m.jet_div(*(m.shifted(side, centre, count) for side in self.sides))
        jet = m.jet_mul(w, [(a - d, b - c) for (a, b), (c, d) in zip(f, r)])
        return [(k * low, k * high) for k, (low, high) in enumerate(jet)][1:] if self.slopes else jet

    def size(self, x: Fraction) -> int:
        """The largest absolute value at a point."""
        return largest(self.at(x)[0])

    def weight(self, x: Fraction) -> Interval:
        """The weight at a point."""
        return self.math.evaluate(self.trees[1], [self.math.exact(x)])[0]

    def values(self, at: Fraction, half: Fraction) -> Interval:
        """The values on a box, without derivatives."""
        m, centre, spread = self.math, self.math.exact(at), self.math.exact(half)[1]
        box = [(centre[0] - spread, centre[1] + spread)]
        f, w = (m.evaluate(tree, box)[0] for tree in self.trees)
        shifted = (m.shifted(side, centre, len(side)) for side in self.sides)
        low, high = m.div(*(m.over(side, spread, 1)[0] for side in shifted))
        return m.mul(w, (f[0] - high, f[1] - low))

    def model(self, at: Fraction, half: Fraction) -> Model:
        """The Taylor model on a box: the coefficients of the error at the midpoint, and of V over the box."""
        m, n, centre, spread = self.math, self.order, self.math.exact(at), self.math.exact(half)[1]
        box = centre[0] - spread, centre[1] + spread
        functions = []
        for tree in self.trees:
            point, over = (
                m.evaluate(tree, [start, (m.one, m.one), *[(0, 0)] * (count - 2)])
                for start, count in ((centre, n), (box, n + BEYOND))
            )
            functions.append((point, over[n:]))
        (f, f_rest), weight = functions
        r, r_rest = self.quotient(centre, spread)
        points = [(a - d, b - c) for (a, b), (c, d) in zip(f, r)]
        rest = [(a - d, b - c) for (a, b), (c, d) in zip(f_rest, r_rest)]
        if self.trees[1] != ONE:
            points, rest = self.product(weight, (points, rest), spread)
        if self.slopes:  # (t^n V)' = t^(n - 1) (n V + t V')
            points = [(k * low, k * high) for k, (low, high) in enumerate(points)][1:]
            moved = [m.mul((-spread, spread), (j * low, j * high)) for j, (low, high) in enumerate(rest)][1:]
            rest = [((n + j) * a + c, (n + j) * b + d) for j, ((a, b), (c, d)) in enumerate(zip(rest, moved))]
        return points, rest

    def quotient(self, centre: Interval, spread: int) -> Model:
        """The model of the rational."""
        m, n = self.math, self.order
        top, bottom = (m.shifted(side, centre, len(side)) for side in self.sides)
        none = [(0, 0)] * n
        points = m.jet_div([*top, *none][:n], [*bottom, *none][:n])
        rest = []
        for k in range(n, max(len(top), n - 1 + len(bottom))):
            terms = [m.mul(points[k - j], bottom[j]) for j in range(max(1, k - n + 1), min(k + 1, len(bottom)))]
            low, high = top[k] if k < len(top) else (0, 0)
            rest.append((low - sum(t[1] for t in terms), high - sum(t[0] for t in terms)))
        under = m.over(bottom, spread, BEYOND)
        return points, m.jet_div(m.over(rest, spread, BEYOND), [m.range(bottom, spread), *under[1:]])

    def product(self, left: Model, right: Model, spread: int) -> Model:
        """``(A + t^n V) (B + t^n W)`` as ``A B`` and ``t^n (A W + B V + t^n V W)``, cut off at t^n."""
        m, n, none = self.math, self.order, [(0, 0)] * self.order
        whole = m.jet_mul([*left[0], *none], [*right[0], *none])
        sides = [m.over(side[0], spread, BEYOND) for side in (left, right)]
        power = m.over([*none, (m.one, m.one)], spread, BEYOND)
        terms = [
            m.over(whole[n:], spread, BEYOND),
            m.jet_mul(sides[0], right[1]),
            m.jet_mul(sides[1], left[1]),
            m.jet_mul(power, m.jet_mul(left[1], right[1])),
        ]
        return whole[:n], [(sum(t[k][0] for t in terms), sum(t[k][1] for t in terms)) for k in range(BEYOND)]

    def below(self, lower: Fraction, upper: Fraction, bound: int) -> bool:
        """Whether ``abs(e) <= bound`` on a box: by its Taylor model, or by one sign of ``e'`` or ``e''``."""
        m, scale = self.math, 1
        while scale * (upper - lower) < 2**20:
            scale <<= 20
        at = Fraction(round((lower + upper) / 2 * scale), scale)
        half = max(upper - at, at - lower)
        try:
            points, rest = self.model(at, half)
        except Failure:  # no Taylor model where a derivative is infinite or the box is too wide: by the values alone
            with suppress(Failure):
                return not self.slopes and largest(self.values(at, half)) <= bound
            return False
        n, h = len(points), m.exact(half)[1]
        sizes, beyond = [largest(c) for c in points], [largest(c) for c in rest]

        def tail(start: int, derivative: int) -> int:
            """A bound of the terms from degree ``start`` on, of the scaled derivative."""
            terms = [comb(k, derivative) * sizes[k] if k >= start else 0 for k in range(derivative, n)]
            terms += [0] * (derivative + 1)
            for i in range(derivative + 1):  # the product rule for t^n V
                terms[n - i] += comb(n, i) * beyond[derivative - i]
            return m.nested(terms, h) + 1

        if tail(0, 0) <= bound:
            return True
        slope, bend = points[1], points[2]
        monotone = slope[0] * slope[1] > 0 and min(map(abs, slope)) > tail(2, 1)
        least = 2 * (min(map(abs, bend)) - tail(3, 2)) if bend[0] * bend[1] > 0 else 0
        if not monotone and least <= 0:
            return False
        if max(self.size(lower), self.size(upper)) > bound:
            return False
        return monotone or self.peak(at, lower, upper, least, bound)

    def peak(self, z: Fraction, lower: Fraction, upper: Fraction, least: int, bound: int) -> bool:
        """Whether the stationary value is below a bound, where ``abs(e'') >= least``: by the tangent at a point z."""
        for _ in range(5):
            value, slope, bend = self.at(z, 3)
            steep = largest(slope)
            if largest(value) + steep * steep // (2 * least) + 1 <= bound:
                return True
            z = Fraction(round((z - Fraction(sum(slope), 2 * sum(bend) or 1)) * self.math.one), self.math.one)
            if not lower <= z <= upper:
                return False
        return False
