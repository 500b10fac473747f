"""Tests of coefficients in a format."""
