"""A third opinion on what the prover and the verifier say, written from ``docs/approximation/semantics.md`` alone."""
