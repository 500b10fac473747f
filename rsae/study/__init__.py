"""The published comparison, reproduced."""
