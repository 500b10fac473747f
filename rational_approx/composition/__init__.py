"""Compositions of polynomials for arithmetic that multiplies and adds alone: `composite_sign`, `composite_relu`."""
