"""Tests of what may be approximated."""
