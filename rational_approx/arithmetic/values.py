"""`Value`: what is cached is not part of the state."""

from dataclasses import fields
from typing import Any

__all__ = ["Value"]


class Value:
    """The base of frozen dataclasses that keep what they have calculated: copies and pickles take the fields alone.

    So a value can be pickled after any call, also where it caches what cannot be pickled, such as polynomials of
    python-flint.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
