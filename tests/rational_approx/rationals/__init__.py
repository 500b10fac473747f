"""Tests of rationals and what they give back."""
