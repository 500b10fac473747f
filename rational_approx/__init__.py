"""Certified rational minimax approximation: fit, prove, ship.

One way through it: a target and a domain, :func:`fit`, :func:`certify`, :func:`save`; see ``docs/``.
"""

from rational_approx import gates
from rational_approx.domain import Domain
from rational_approx.rational import Rational
from rational_approx.remez import DidNotConverge, Fit, fit
from rational_approx.target import Target

__all__ = ["DidNotConverge", "Domain", "Fit", "Rational", "Target", "fit", "gates"]
__version__ = "0.1.0"
