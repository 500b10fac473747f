"""What tries to break the prover, the verifier, `fit` and the bounds of exported code."""
