"""The problem that is solved, in the variable t."""
