"""``python -m verifier certificate.json [seconds]``."""

import sys

from .checker import verify

if len(sys.argv) not in (2, 3):
    sys.exit("usage: python -m verifier certificate.json [seconds]")
outcome = verify(sys.argv[1], *map(float, sys.argv[2:]))
sys.stdout.write("\n".join(["confirmed" if outcome.ok else "NOT confirmed", *outcome.failures]) + "\n")
sys.exit(0 if outcome.ok else 1)
