"""What is measured: fits, proofs and upgrades."""
