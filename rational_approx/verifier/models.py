"""the error on one piece, at points and as Taylor models, and whether it stays below a bound.

On a box of midpoint m and half-width h, ``e(m + h s) = sum_{k < n} e_k s^k + s^n V(s)``. Of f and w, ``V^(j) / j!`` is
the coefficient ``n + j`` of the series over the whole box; of P/Q with the Taylor polynomial C, V is exactly ``S / Q``,
where ``P - C Q = s^n S``. Standard library only.
"""

from contextlib import suppress
from fractions import Fraction
from math import comb
from typing import Any

from .intervals import Interval, size
from .jets import Arithmetic, Jet
from .reading import ONE, Failure

__all__ = ["Curve"]

BEYOND = 4
"""How many Taylor coefficients of V are kept: enough for three derivatives of the error."""
Model = tuple[Jet, Jet]


class Curve:
    """``weight (target - top / bottom)``, its polynomials exact and as intervals in powers of the variable.

    ``order`` coefficients make a Taylor model. With ``slopes``, everything is about the derivative of the error.
    """

    def __init__(self, math: Arithmetic, trees: Any, exact: list[list[Fraction]], order: int, slopes: int = 0) -> None:
        self.math, self.trees, self.exact, self.order, self.slopes = math, trees, exact, order, slopes
        self.sides = [[math.exact(c) for c in side] for side in exact]

    def at(self, x: Fraction, order: int = 1, half: int | None = None) -> Jet:
        """Taylor coefficients at a point, in powers of the distance over ``half`` (1 if it is not given)."""
        m, centre = self.math, self.math.exact(x)
        h, count = m.one if half is None else half, order + self.slopes
        u = [centre, (h, h), *[(0, 0)] * count][:count]
        f, w = (m.evaluate(tree, u) for tree in self.trees)
        r = m.jet_div(*(self.moved(side, centre, h, count) for side in self.sides))
        jet = m.jet_mul(w, [(a - d, b - c) for (a, b), (c, d) in zip(f, r)])
        return [(k * low, k * high) for k, (low, high) in enumerate(jet)][1:] if self.slopes else jet

    def moved(self, side: Jet, centre: Interval, h: int, count: int) -> Jet:
        """The first coefficients of a polynomial in powers of ``s = (x - centre) / h``."""
        m, power, out = self.math, (self.math.one, self.math.one), []
        for c in m.shifted(side, centre, count):
            out.append(m.mul(c, power))
            power = m.mul(power, (h, h))
        return out

    def defined(self, lower: Fraction, upper: Fraction) -> bool:
        """Whether the weight has a value at every point of a box."""
        box = self.math.exact(lower)[0], self.math.exact(upper)[1]
        with suppress(Failure):
            return bool(self.math.evaluate(self.trees[1], [box]))
        return False

    def values(self, centre: Interval, h: int) -> Interval:
        """The values on a box, without derivatives."""
        m = self.math
        f, w = (m.evaluate(tree, [(centre[0] - h, centre[1] + h)])[0] for tree in self.trees)
        low, high = m.div(*(m.over(self.moved(side, centre, h, len(side)), 1)[0] for side in self.sides))
        return m.mul(w, (f[0] - high, f[1] - low))

    def model(self, centre: Interval, h: int) -> Model:
        """The Taylor model on a box: the coefficients of the error at the midpoint, and of V over the box.

        Everything is in powers of ``s = (x - centre) / h``, so that no power of h is too small or too large.
        """
        m, n = self.math, self.order
        box = centre[0] - h, centre[1] + h
        functions = []
        for tree in self.trees:
            point, over = (
                m.evaluate(tree, [start, (h, h), *[(0, 0)] * (count - 2)])
                for start, count in ((centre, n), (box, n + BEYOND))
            )
            functions.append((point, over[n:]))
        (f, f_rest), weight = functions
        r, r_rest = self.quotient(centre, h)
        points = [(a - d, b - c) for (a, b), (c, d) in zip(f, r)]
        rest = [(a - d, b - c) for (a, b), (c, d) in zip(f_rest, r_rest)]
        if self.trees[1] != ONE:
            points, rest = self.product(weight, (points, rest))
        if self.slopes:  # (s^n V)' = s^(n - 1) (n V + s V')
            points = [(k * low, k * high) for k, (low, high) in enumerate(points)][1:]
            moved = [m.mul((-m.one, m.one), (j * low, j * high)) for j, (low, high) in enumerate(rest)][1:]
            rest = [((n + j) * a + c, (n + j) * b + d) for j, ((a, b), (c, d)) in enumerate(zip(rest, moved))]
        return points, rest

    def quotient(self, centre: Interval, h: int) -> Model:
        """The model of the rational."""
        m, n = self.math, self.order
        top, bottom = (self.moved(side, centre, h, len(side)) for side in self.sides)
        none = [(0, 0)] * n
        points = m.jet_div([*top, *none][:n], [*bottom, *none][:n])
        rest = []
        for k in range(n, max(len(top), n - 1 + len(bottom))):
            terms = [m.mul(points[k - j], bottom[j]) for j in range(max(1, k - n + 1), min(k + 1, len(bottom)))]
            low, high = top[k] if k < len(top) else (0, 0)
            rest.append((low - sum(t[1] for t in terms), high - sum(t[0] for t in terms)))
        under = m.over(bottom, BEYOND)
        return points, m.jet_div(m.over(rest, BEYOND), [m.range(bottom), *under[1:]])

    def product(self, left: Model, right: Model) -> Model:
        """``(A + s^n V) (B + s^n W)`` as ``A B`` and ``s^n (A W + B V + s^n V W)``, cut off at s^n."""
        m, n, none = self.math, self.order, [(0, 0)] * self.order
        whole = m.jet_mul([*left[0], *none], [*right[0], *none])
        sides = [m.over(side[0], BEYOND) for side in (left, right)]
        power = m.over([*none, (m.one, m.one)], BEYOND)
        terms = [
            m.over(whole[n:], BEYOND),
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
        centre, h = m.exact(at), m.exact(max(upper - at, at - lower))[1]
        if self.slopes:  # the bound is for the derivative by x, and the models have that by s
            bound = bound * h >> m.bits
        with suppress(Failure):  # no Taylor model where a derivative is infinite or the box is too wide
            if self.modelled(at, (lower, upper), (centre, h), bound):
                return True
        with suppress(Failure):  # far out the values alone tell more
            return not self.slopes and size(self.values(centre, h)) <= bound
        return False

    def modelled(self, at: Fraction, box: tuple[Fraction, Fraction], ball: tuple[Interval, int], bound: int) -> bool:
        """The same by the Taylor model."""
        (lower, upper), (centre, h) = box, ball
        points, rest = self.model(centre, h)
        n = len(points)
        sizes, beyond = list(map(size, points)), list(map(size, rest))

        def tail(start: int, derivative: int) -> int:
            """A bound of the terms from degree ``start`` on, of the scaled derivative."""
            terms = [comb(k, derivative) * sizes[k] if k >= start else 0 for k in range(derivative, n)]
            terms += [0] * (derivative + 1)
            for i in range(derivative + 1):  # the product rule for s^n V
                terms[n - i] += comb(n, i) * beyond[derivative - i]
            return sum(terms) + 1

        if tail(0, 0) <= bound:
            return True
        slope, bend = points[1], points[2]
        monotone = slope[0] * slope[1] > 0 and min(map(abs, slope)) > tail(2, 1)
        least = 2 * (min(map(abs, bend)) - tail(3, 2)) if bend[0] * bend[1] > 0 else 0
        if not monotone and least <= 0:
            return False
        if max(size(self.at(end, 1, h)[0]) for end in (lower, upper)) > bound:
            return False
        return monotone or self.peak(at, (lower, upper), h, least, bound)

    def peak(self, z: Fraction, box: tuple[Fraction, Fraction], h: int, least: int, bound: int) -> bool:
        """Whether the stationary value is below a bound, where ``abs(e'') >= least``: by the tangent at a point z."""
        for _ in range(5):
            value, slope, bend = self.at(z, 3, h)
            steep = size(slope)
            if size(value) + steep * steep // (2 * least) + 1 <= bound:
                return True
            step = Fraction(sum(slope), 2 * sum(bend) or 1) * h
            z = min(max(Fraction(round(z * self.math.one - step), self.math.one), box[0]), box[1])
        return False
