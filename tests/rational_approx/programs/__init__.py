"""Tests of operations and their rounding errors."""
