"""Tests of files and exported code."""
