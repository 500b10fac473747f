"""How good and how fast `fit` is."""
