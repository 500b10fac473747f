"""Tests of `fit` and the choice of a type."""
