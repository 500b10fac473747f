"""Certified rational minimax approximation: fit, prove, ship.

One way through it: a target and a domain, :func:`fit`, :func:`certify`, :func:`save`; see ``docs/``. Strategies and
assertions for property-based tests are in ``rational_approx.testing``, which needs Hypothesis and is imported by name.
"""

from rational_approx.arithmetic.domain import Domain
from rational_approx.composition.composite import Composite
from rational_approx.composition.front import composite_relu, composite_sign
from rational_approx.fitting.front import fit
from rational_approx.fitting.result import DidNotConverge, Fit
from rational_approx.kernels.counted import Contradiction, Counted
from rational_approx.kernels.implement import FixedImplementation, Implementation, NoKernel, implement
from rational_approx.programs.rounding_errors import evaluation_error
from rational_approx.proof.certificate import Certificate
from rational_approx.proof.prover import certify
from rational_approx.rationals.rational import Rational
from rational_approx.rationals.saturation import Saturated
from rational_approx.rounding.exhaustive import exhaustive_error
from rational_approx.shipping.every_input import try_every
from rational_approx.shipping.source_code import export
from rational_approx.shipping.storage import load, save, verify
from rational_approx.targets import gates
from rational_approx.targets.target import Target
from rational_approx.verifier import Verification

__all__ = [
    "Certificate",
    "Composite",
    "Contradiction",
    "Counted",
    "DidNotConverge",
    "Domain",
    "Fit",
    "FixedImplementation",
    "Implementation",
    "NoKernel",
    "Rational",
    "Saturated",
    "Target",
    "Verification",
    "certify",
    "composite_relu",
    "composite_sign",
    "evaluation_error",
    "exhaustive_error",
    "export",
    "fit",
    "gates",
    "implement",
    "load",
    "save",
    "try_every",
    "verify",
]
__version__ = "0.2.0"
