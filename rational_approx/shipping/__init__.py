"""JSON files and source code."""
