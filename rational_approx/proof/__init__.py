"""`certify`: proofs about a rational and its target."""
