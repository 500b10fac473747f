"""The surroundings of every test: one thread a process, and no doctests of modules whose library is not installed."""

import gc
import importlib.util
import os

import pytest

# Workers of pytest-xdist share the cores. With more threads than cores those of OpenMP spin while they wait for one
# another, and the same tests take many times the processor time. Set before anything imports NumPy or torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

collect_ignore = [] if importlib.util.find_spec("sae_lens") else ["rsae/saelens.py"]
if importlib.util.find_spec("triton") is None:
    collect_ignore += ["rsae/activations/kernels/gpu.py", "rsae/activations/kernels/gpu_programs.py"]

# What is imported and collected stays to the end. To look through all of it for garbage, again and again, took a fourth
# of the time until the first test.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.freeze()
    gc.enable()
