"""Coefficients in a format, and the rounding errors of code."""
