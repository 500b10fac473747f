"""The independent verifier: the standard library and its own parts; ``python -m verifier`` runs it from a copy."""

from .checker import Verification, verify

__all__ = ["Verification", "verify"]
