"""Alternating errors: what is chosen alternates and holds the largest, and is None only where there are too few."""

from fractions import Fraction
from itertools import combinations, groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from rational_approx.arithmetic.alternation import alternating

ERRORS = st.lists(st.integers(-9, 9).filter(bool).map(lambda n: Fraction(n, 7)), max_size=12)


@given(ERRORS, st.integers(2, 6))
def test_chosen_errors_alternate_and_hold_the_largest(errors, count):
    chosen = alternating(errors, count)
    runs = [list(run) for _, run in groupby(errors, key=lambda e: e > 0)]
    assert (chosen is None) == (len(runs) < count)
    if chosen is not None:
        assert len(chosen) == count
        assert all(a < b for a, b in pairwise(chosen))
        assert all(errors[a] * errors[b] < 0 for a, b in pairwise(chosen))
        assert max(abs(errors[k]) for k in chosen) == max(map(abs, errors))


@given(ERRORS, st.integers(2, 6))
def test_the_smallest_chosen_error_is_as_large_as_it_can_be(errors, count):
    chosen = alternating(errors, count)
    kept = [part for part in combinations(errors, count) if all(a * b < 0 for a, b in pairwise(part))]
    assert (chosen is None) == (not kept)
    if chosen is not None:
        assert min(abs(errors[k]) for k in chosen) == max(min(map(abs, part)) for part in kept)
