"""Tests of conditions, symmetry and half-lines."""
