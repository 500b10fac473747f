"""One prepared run on a CUDA device: ``python -m tests.benchmarks.gpu --out DIR --minutes 12``."""
