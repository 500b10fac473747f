"""The verifier as a black box, and a limit of processor time."""

import contextlib
import signal
import time
import traceback
from collections.abc import Iterator
from typing import Any

from rational_approx.verifier import verify

__all__ = ["Late", "ask", "limited"]

SECONDS = 1.5


class Late(Exception):
    """A call took longer than it may."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `Late` in what takes longer."""

    def stop(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def ask(content: Any) -> tuple[str, str]:
    """``yes``, ``no``, ``undecided``, ``late`` or ``crash``, and what the verifier says."""
    start = time.process_time()
    try:
        with limited(20 * SECONDS):
            found = verify(content, SECONDS)
    except Late:
        return "late", f"more than {20 * SECONDS:g} s"
    except Exception:
        return "crash", traceback.format_exc()[-300:]
    if time.process_time() - start > 3 * SECONDS:
        return "late", f"{time.process_time() - start:.1f} s"
    outcome = str(getattr(found, "outcome", ""))
    return ("yes" if found.ok else "no" if outcome == "refuted" else "undecided"), "; ".join(found.failures)[:200]
