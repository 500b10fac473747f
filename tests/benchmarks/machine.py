"""What a page says of the machine on which its times were taken."""

import os
import platform

__all__ = ["machine"]


def machine() -> str:
    """Python, the cores, and how busy they have been in the last five minutes: processor times grow with that, too."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[1]
    state = "quiet" if load < 0.75 * cores else "busy"
    return f"Python {platform.python_version()}, {cores} cores, {state}: {load:.1f} processes wanted them"
