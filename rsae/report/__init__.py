"""The report: JSON, page and pictures."""
