"""Certified rational minimax approximation: fit, prove, ship.

One way through it: a target and a domain, :func:`fit`, :func:`certify`, :func:`save`; see ``docs/``. Strategies and
assertions for property-based tests are in ``rational_approx.testing``, which needs Hypothesis and is imported by name.
"""

from rational_approx import gates
from rational_approx.certificate import Certificate
from rational_approx.certify import certify
from rational_approx.domain import Domain
from rational_approx.evaluation import evaluation_error
from rational_approx.exhaustive import exhaustive_error
from rational_approx.export import export
from rational_approx.rational import Rational
from rational_approx.remez import DidNotConverge, Fit, fit
from rational_approx.saturation import Saturated
from rational_approx.storage import load, save, verify
from rational_approx.target import Target
from rational_approx.verifier import Verification

__all__ = [
    "Certificate",
    "DidNotConverge",
    "Domain",
    "Fit",
    "Rational",
    "Saturated",
    "Target",
    "Verification",
    "certify",
    "evaluation_error",
    "exhaustive_error",
    "export",
    "fit",
    "gates",
    "load",
    "save",
    "verify",
]
__version__ = "0.1.0"
