"""Property-based tests for users: Hypothesis strategies for problems, and assertions about fits and rationals.

Needs Hypothesis (``pip install "rational-sae[testing]"``), and is imported by name: nothing else in the package imports
it.
"""

from rational_approx.testing.assertions import (
    assert_best,
    assert_equioscillates,
    assert_in_range,
    assert_pole_free,
    assert_within,
)
from rational_approx.testing.strategies import domains, rationals, saturated, targets, types

__all__ = [
    "assert_best",
    "assert_equioscillates",
    "assert_in_range",
    "assert_pole_free",
    "assert_within",
    "domains",
    "rationals",
    "saturated",
    "targets",
    "types",
]
