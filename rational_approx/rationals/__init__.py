"""`Rational` and its other forms."""
