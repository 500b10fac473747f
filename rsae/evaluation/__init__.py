"""Metrics, comparisons and evidence."""
