"""Sequences of floating-point operations, and their rounding errors."""
