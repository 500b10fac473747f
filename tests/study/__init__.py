"""The published comparison on teachers that can be had offline, cell by cell: ``python -m tests.study``."""
