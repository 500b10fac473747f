"""Tests of files for Coq."""
