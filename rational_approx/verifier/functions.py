"""elementary functions of intervals of scaled integers.

Standard library only.
"""

from fractions import Fraction
from math import comb, isqrt

from .intervals import Interval, Intervals
from .reading import Failure, need

__all__ = ["Functions"]

HALVED = 8
"""So often arguments are halved before a series: it has fewer terms then."""


class Functions(Intervals):
    """Elementary functions of single numbers, with 64 more bits; their slack is far above their summed rounding."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        g = self.guard = bits + 64
        self.logs: dict[int, int] = {}
        self.log2 = sum((1 << g) // (n << n) for n in range(1, g + 1))
        arctan = [sum((-1) ** k * ((1 << g) // ((2 * k + 1) * n ** (2 * k + 1))) for k in range(g)) for n in (5, 239)]
        self.pi = self.settle(16 * arctan[0] - 4 * arctan[1])  # Machin
        self.stirling: dict[int, tuple[Functions, list[list[Fraction]]]] = {}

    def settle(self, value: int) -> Interval:
        slack = (1 << 40) + (abs(value) >> self.bits + 30)
        return (value - slack) >> 64, -(-(value + slack) >> 64)

    def exp(self, a: int) -> Interval:
        need(a < 3000 << self.bits, "an exponential is too large")
        if a < -(self.bits + 4) << self.bits:
            return 0, 1
        k, r = divmod(a << 64, self.log2)
        # exp(r) = exp(r / 2^8)^(2^8): each square doubles what it is off by, to less than 2^18 in the end.
        r >>= HALVED
        term = value = 1 << self.guard
        n = 0
        while term:
            n += 1
            term = (term * r >> self.guard) // n
            value += term
        for _ in range(HALVED):
            value = value * value >> self.guard
        low, high = value - (1 << 30), value + (1 << 30)
        return (low << k >> 64, -(-high << k >> 64)) if k >= 0 else (low >> 64 - k, -(-high >> 64 - k))

    def log(self, a: int) -> Interval:
        need(a > 0, "a logarithm of a number that may not be positive")
        k = a.bit_length()
        j = a >> k - 6 if k > 6 else a << 6 - k  # a is 2^k j / 64 or a little more, j from 32 to 63
        if j not in self.logs:
            self.logs[j] = -self.atanh_series(64 - j, 64 + j)
        small = self.atanh_series((a << 6) - (j << k), (a << 6) + (j << k))
        return self.settle((k - self.bits) * self.log2 + self.logs[j] + small)

    def atanh_series(self, top: int, bottom: int) -> int:
        """Guarded ``2 atanh(z) = log((1 + z) / (1 - z))`` for z in [0, 1/3]."""
        z = (top << self.guard) // bottom
        term, value, n = z, 0, 1
        while term:
            value += term // n
            term, n = (term * z >> self.guard) * z >> self.guard, n + 2
        return 2 * value

    def sqrt(self, a: int) -> Interval:
        square = max(a, 0) << self.bits
        root = isqrt(square)
        return root, root + (root * root < square)

    def series(self, z: int, first: int, step: int) -> int:
        """Guarded ``z - z^3 / d_1 + z^5 / d_2 - ...``: ``d_k = 2 k + 1`` (step 0), or ``(2 k + 1)!`` (step 1)."""
        square, term, value, n = z * z >> self.guard, z, 0, first
        while abs(term) > 1:
            value += term // (1 if step else n)
            term = -(term * square >> self.guard)
            n += 2
            term = term // (n * (n - 1)) if step else term
        return value

    def atan(self, a: int) -> Interval:
        x, g = a << 64, self.guard
        turned = abs(x) > 1 << g
        if turned:
            x = (1 << 2 * g) // x
        for _ in range(HALVED):  # atan(x) = 2 atan(x / (1 + sqrt(1 + x^2)))
            x = (x << g) // ((1 << g) + isqrt((1 << 2 * g) + x * x))
        low, high = self.settle(self.series(x, 1, 0) << HALVED)
        if not turned:
            return low, high
        quarter = (self.pi[0] >> 1, -(-self.pi[1] >> 1)) if a > 0 else (-self.pi[1] >> 1, -(self.pi[0] >> 1))
        return quarter[0] - high, quarter[1] - low

    def sin(self, a: int) -> Interval:
        need(abs(a) >> self.bits < 1 << max(20, self.bits // 2), "a sine of a number that is too large")
        turns = (2 * a + self.pi[0]) // (2 * self.pi[0])  # the nearest multiple of pi; its error is added below
        low, high = self.settle(self.series((a - turns * self.pi[0]) << 64, 1, 1))
        slack = abs(turns) * (self.pi[1] - self.pi[0]) + 1
        low, high = low - slack, high + slack
        return (low, high) if turns % 2 == 0 else (-high, -low)

    def erf(self, a: int) -> Interval:
        if a < 0:
            low, high = self.erf(-a)
            return -high, -low
        square, fine = a * a >> self.bits, a * a << 64 >> self.bits
        if square > self.bits << self.bits:
            return self.one - 1, self.one
        term, value, n = a << 64, 0, 1
        while term:  # erf(x) = 2 / sqrt(pi) exp(-x^2) sum of x (2 x^2)^k / (1 3 5 ... (2k + 1)), all terms positive
            value += term
            n += 2
            term = 2 * (term * fine >> self.guard) // n
        root = self.sqrt(self.pi[0])[0], self.sqrt(self.pi[1])[1]
        bottom = self.mul((self.exp(square)[0], self.exp(square + 1)[1]), root)
        return self.div(self.settle(2 * value), bottom)

    def asin(self, a: int) -> Interval:
        inner = isqrt(self.one**2 - a * a)  # asin(x) = 2 atan(x / (1 + sqrt(1 - x^2)))
        low, high = self.div((a, a), (self.one + inner, self.one + inner + 1))
        return 2 * self.atan(low)[0], 2 * self.atan(high)[1]

    def asinh(self, a: int) -> Interval:
        if a < 0:
            low, high = self.asinh(-a)
            return -high, -low
        root = isqrt(self.one**2 + a * a)
        return self.log(a + root)[0], self.log(a + root + 1)[1]

    def acosh(self, a: int) -> Interval:
        root = isqrt(a * a - self.one**2)
        return self.log(a + root)[0], self.log(a + root + 1)[1]

    def atanh(self, a: int) -> Interval:
        need(abs(a) < self.one, "an inverse hyperbolic tangent outside its domain")
        low, high = self.div((self.one + a, self.one + a), (self.one - a, self.one - a))
        return self.log(low)[0] >> 1, -(-self.log(high)[1] >> 1)

    def loggamma(self, a: int, count: int) -> list[Interval]:
        """Taylor coefficients of ``log(gamma(x))`` at a number a > 0.

        Stirling's series at ``z = a + shift``, and the recurrence down to a. For a positive argument the remainder of
        the series and each of its derivatives are smaller than the first term that is left out, since the remainder
        is, up to its sign, completely monotone (Alzer, On some inequalities for the gamma and psi functions, 1997).
        """
        need(a > 0, "a gamma function of a number that may not be positive")
        fine, series = self.stirling.get(count) or self.stirling.setdefault(count, self.prepared(count))
        more = fine.bits - self.bits
        shift = max(0, self.guard // 4 - (a >> self.bits))
        one, x, z = (fine.one, fine.one), a << more, (a << more) + (shift << fine.bits)
        step, inverse, below, above = (fine.one << fine.bits) // z, [one], [0] * count, [0] * count
        for _ in range(count + 2 * len(series)):
            low, high = inverse[-1]
            inverse.append((low * step >> fine.bits, (high * (step + 1) >> fine.bits) + 1))
        product = one
        for i in range(shift):
            at = x + (i << fine.bits)
            product = product[0] * at >> fine.bits, (product[1] * at >> fine.bits) + 1
            low, high, step = fine.one, fine.one, (fine.one << fine.bits) // at
            for k in range(1, count):
                low, high = low * step >> fine.bits, (high * (step + 1) >> fine.bits) + 1
                below[k] += low
                above[k] += high
        logarithm = [fine.log(z), *(scaled(inverse[k], Fraction((-1) ** (k + 1), k)) for k in range(1, count))]
        out = []
        for k in range(count):
            # log(gamma(z + t)) = (z + t - 1/2) log(z + t) - (z + t) + log(2 pi) / 2 + sum of b_j (z + t)^(1 - 2 j)
            terms = [fine.mul((z - fine.one // 2, z - fine.one // 2), logarithm[k])]
            if k == 0:
                circle = fine.log(2 * fine.pi[0])[0] // 2, -(-fine.log(2 * fine.pi[1])[1] // 2)
                terms += [(-z, -z), circle, (-fine.log(product[1])[1], -fine.log(product[0])[0])]
            else:
                terms += [logarithm[k - 1], scaled((below[k], above[k]), Fraction((-1) ** k, k))]
                terms += [(-fine.one, -fine.one)] if k == 1 else []
            terms += [scaled(inverse[2 * j + 1 + k], row[k]) for j, row in enumerate(series)]
            out.append(((sum(t[0] for t in terms) >> more) - 1, -(-sum(t[1] for t in terms) >> more) + 1))
        return out

    def prepared(self, count: int) -> tuple["Functions", list[list[Fraction]]]:
        """Taylor coefficients of the terms ``B_2j / (2 j (2 j - 1) z^(2 j - 1))`` that count, and a fine arithmetic."""
        least, most = self.guard // 4, self.guard // 3
        tangents = [0, 1]  # B_2j = (-1)^(j - 1) 2 j T_j / (4^j (4^j - 1)) with the tangent numbers T_j
        for k in range(2, most):
            tangents.append((k - 1) * tangents[-1])
        for k in range(2, most):
            for j in range(k, most):
                tangents[j] = (j - k) * tangents[j - 1] + (j - k + 2) * tangents[j]
        series: list[list[Fraction]] = []
        depth = 0
        for j in range(1, most):
            bernoulli = Fraction((-1) ** (j - 1) * 2 * j * tangents[j], 4**j * (4**j - 1))
            b, choices = bernoulli / (2 * j * (2 * j - 1)), comb(2 * j - 1 + count, count)
            if abs(b) * choices * 2**self.guard < least ** (2 * j - 1):
                return Functions(self.guard + depth), series
            series.append([(-1) ** k * b * comb(2 * j - 2 + k, k) for k in range(count)])
            depth = max(depth, int(abs(b) * choices).bit_length())
        raise Failure("a gamma function that needs more terms than there are")


def scaled(x: Interval, factor: Fraction) -> Interval:
    """An interval times an exact number."""
    n, d = factor.numerator, factor.denominator
    low, high = x if n >= 0 else x[::-1]
    return low * n // d, -(-high * n // d)
