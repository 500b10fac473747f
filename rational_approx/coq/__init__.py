"""Certificates as Coq files."""
