"""Tests of what is proved."""
