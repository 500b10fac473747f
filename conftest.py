"""Modules whose doctests need a library that is not installed are left out of the collection."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("sae_lens") else ["rsae/saelens.py"]
if importlib.util.find_spec("triton") is None:
    collect_ignore += ["rsae/activations/kernels/gpu.py", "rsae/activations/kernels/gpu_programs.py"]
