"""Tests of numbers, polynomials and their signs."""
