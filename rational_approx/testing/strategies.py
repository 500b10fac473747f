"""Hypothesis strategies for domains, types, targets and rationals, saturated ones among them."""

from fractions import Fraction

from hypothesis import strategies as st

from rational_approx.arithmetic.domain import Domain
from rational_approx.rationals.rational import Rational
from rational_approx.rationals.saturation import Saturated
from rational_approx.targets.target import Target

__all__ = ["domains", "rationals", "saturated", "targets", "types"]

SMOOTH = (
    "tanh({})",
    "sin({})",
    "atan({})",
    "sigmoid({})",
    "softplus({})",
    "erf({})",
    "exp(-({})^2)",
    "1/(2 + cos({}))",
)
KINKED = ("abs({})", "max({}, 0)", "clip({}, -1, 1)", "where({} > 0, {}, expm1({}))")
WEIGHTS = (None, "1 + abs(x)", "exp(x / 8)", "1 / (1 + x^2)")


def _numbers(low: int, high: int, parts: int = 20) -> st.SearchStrategy[Fraction]:
    return st.integers(low * parts, high * parts).map(lambda n: Fraction(n, parts))


@st.composite
def domains(draw: st.DrawFn, most: int = 3, reach: int = 10) -> Domain:
    """Unions of up to ``most`` closed intervals inside ``[-reach, reach]``, none shorter than 1/10, nor any gap.

    >>> domains(most=1).example().bounded  # doctest: +SKIP
    True
    """
    ends = draw(st.lists(st.integers(-10 * reach, 10 * reach), min_size=2, max_size=2 * most, unique=True))
    ends = sorted(ends)[: len(ends) // 2 * 2]
    return Domain.of([(Fraction(a, 10), Fraction(b, 10)) for a, b in zip(ends[::2], ends[1::2])])


@st.composite
def targets(draw: st.DrawFn, domain: st.SearchStrategy[Domain] | None = None, kinks: bool = True) -> Target:
    """Finite, continuous targets: a sum of one to three activations of ``a x + b``, some with kinks, some weighted."""
    where = draw(domains() if domain is None else domain)
    shapes = SMOOTH + (KINKED if kinks else ())
    terms = []
    for _ in range(draw(st.integers(1, 3))):
        inner = f"(({draw(_numbers(1, 3))}) * x + ({draw(_numbers(-3, 3))}))"
        outer = draw(_numbers(-2, 2).filter(bool))
        terms.append(f"({outer}) * {draw(st.sampled_from(shapes)).replace('{}', inner)}")
    return Target(" + ".join(terms), where, weight=draw(st.sampled_from(WEIGHTS)))


def types(max_p: int = 6, max_q: int = 6) -> st.SearchStrategy[tuple[int, int]]:
    """Types (p, q), smallest first."""
    return st.tuples(st.integers(0, max_p), st.integers(0, max_q))


@st.composite
def rationals(
    draw: st.DrawFn,
    domain: st.SearchStrategy[Domain] | None = None,
    type: st.SearchStrategy[tuple[int, int]] | None = None,
) -> Rational:
    """Rationals in the Chebyshev basis without a pole on the hull of a bounded domain, by construction.

    ``Q = 1 + sum_k b_k T_k`` with ``sum abs(b_k) <= 19/20``, and ``abs(T_k) <= 1`` there: so ``Q >= 1/20``.
    """
    where = draw(domains() if domain is None else domain)
    p, q = draw(types() if type is None else type)
    top = draw(st.lists(_numbers(-5, 5), min_size=p + 1, max_size=p + 1))
    rest = draw(st.lists(_numbers(-1, 1), min_size=q, max_size=q))
    size = max(Fraction(1), sum((abs(b) for b in rest), Fraction(0)) * Fraction(20, 19))
    return Rational(tuple(top), (Fraction(1), *(b / size for b in rest)), where)


@st.composite
def saturated(draw: st.DrawFn, rational: st.SearchStrategy[Rational] | None = None) -> Saturated:
    """Rationals with a constant, the tangent, or a line of a drawn slope outside of their bounded domain."""
    r = draw(rationals() if rational is None else rational)
    sides = [draw(st.sampled_from(["constant", "linear"]) | _numbers(-2, 2)) for _ in range(2)]
    values = Saturated(r).values
    return r.saturated(*(how if isinstance(how, str) else (v, how) for how, v in zip(sides, values, strict=True)))
