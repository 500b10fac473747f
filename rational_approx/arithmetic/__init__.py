"""Exact numbers, domains and polynomials, and their signs."""
