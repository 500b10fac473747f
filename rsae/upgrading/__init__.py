"""`upgrade` and its steps."""
