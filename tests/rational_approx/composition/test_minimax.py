"""One stage: the polynomial that is nearest to sign, beside closed forms, published errors and `fit`."""

import flint
import mpmath
import pytest

from rational_approx import fit
from rational_approx.arithmetic.precision import working_bits
from rational_approx.composition.minimax import minimax
from tests.rational_approx.composition.published import ERRORS


def _of_size(s: float) -> flint.arb:
    return flint.arb(2) ** flint.arb(str(s)) if s < 0 else 1 - flint.arb(2) ** -flint.arb(str(s))


@pytest.mark.parametrize(("degree", "size", "error"), ERRORS)
def test_the_error_is_the_published_one(degree, size, error):
    with working_bits(400):
        t, published = _of_size(size), _of_size(error)
        found = minimax(degree, ((1 - t) / (1 + t)).mid()).error
        # 1 - 2**-s is known to the digits of s.
        near = 1 - found if error > 0 else found
        assert abs(near / (1 - published if error > 0 else published) - 1) < 1e-11


@pytest.mark.parametrize("gap", ["1e-20", "0.001", "0.3", "0.99999"])
def test_a_cubic_has_a_closed_form(gap):
    # p = (1 + g + g^2) x - x^3 is equal at both ends, and largest at sqrt((1 + g + g^2)/3).
    with working_bits(300):
        g = flint.arb(gap).mid()
        a = 1 + g + g * g
        low = (g + g * g) / (a * 2 / 3 * (a / 3).sqrt())
        found = minimax(3, g)
        assert abs(found.low / low - 1) < 1e-17
        assert abs((1 - found.low) / (1 - low) - 1) < 1e-17
        assert abs(found.peaks[0] - (a / 3).sqrt()) < 1e-9


@pytest.mark.parametrize(("degree", "gap"), [(7, 0.1), (15, 0.02)])
def test_the_other_exchange_finds_the_same_error(degree, gap):
    other = fit("sign(x)", (degree, 0), [(-1, -gap), (gap, 1)])
    assert float(minimax(degree, flint.arb(str(gap)).mid()).error) == pytest.approx(other.error, rel=1e-13)


@pytest.mark.parametrize(("degree", "gap"), [(31, 2.0**-40), (63, 1e-3), (31, 0.9), (47, 0.01)])
def test_peaks_alternate_between_both_values(degree, gap):
    with working_bits(600), mpmath.workprec(600):
        found = minimax(degree, flint.arb(gap))
        points = [flint.arb(gap), *found.peaks, flint.arb(1)]
        assert len(points) == (degree + 1) // 2 + 1
        for k, x in enumerate(points):
            wanted = found.low if k % 2 == 0 else flint.arb(1)
            assert abs(x * found.r(x * x) - wanted) < 1e-16 * min(wanted, 1 - found.low)
