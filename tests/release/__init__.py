"""Checks of what is released; each is a command of its own and takes minutes."""
