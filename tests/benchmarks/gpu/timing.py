"""Seconds and bytes of a call on a device."""

import statistics
import time
from collections.abc import Callable

import torch

__all__ = ["seconds_of", "wait"]


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], object], device: str, rounds: int, in_a_row: int = 10) -> float:
    """The median over rounds of the seconds of a call, of which ``in_a_row`` are given to the device before it is
    waited for, so that what a launch costs on the CPU is hidden where it is hidden in use. One round warms up.
    """
    found = []
    for _ in range(rounds + 1):
        wait(device)
        began = time.perf_counter()
        for _ in range(in_a_row):
            call()
        wait(device)
        found.append((time.perf_counter() - began) / in_a_row)
    return statistics.median(found[1:])
