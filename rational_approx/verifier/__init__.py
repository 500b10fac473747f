"""The independent verifier: the standard library and its own parts; ``python -m verifier`` runs it from a copy."""

from .checker import Statement, Verification, verify

__all__ = ["Statement", "Verification", "verify"]
