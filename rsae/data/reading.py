"""`Reading`: how a text is read, and what is kept of it, besides its length."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rsae.hosts.host import Host

__all__ = ["Reading"]


@dataclass(frozen=True)
class Reading:
    """How a text is read, and what is kept of it, besides its length; the defaults suit most hosts.

    batch_size:
        Contexts at once; default: 16 on a CPU, 64 elsewhere.
    tokenizer:
        In the place of the model's own.
    calibration:
        Training vectors in the calibration sample, at most.
    prepend_bos:
        Whether every context begins with a beginning-of-sequence token; default: as the tokenizer does.
    outlier_medians:
        Vectors whose norm exceeds so many times the median norm of the training vectors are dropped; None: none.
    loss_tokens:
        Held-out tokens on which the host measures losses, at most; None: all.
    text_field:
        The field or column of a file that holds its texts.
    shuffle_buffer:
        How many vectors are shuffled at a time (`HiddenStates.batches`); None: all.
    centred:
        Whether every vector is read without its mean over d_in, as from TransformerLens with
        ``center_writing_weights``; as there nothing is done to hosts without LayerNorm, which read that mean.
    threads:
        Of torch on a CPU, while the model reads; default: one, or as many as torch has, whichever reads a context
        faster at the start of a long text (`rsae.threads`). A stored harvest that goes on keeps its number.
    check:
        Called with the question (`rsae.data.states.HiddenStates.question`) and the host before the model reads
        anything: what it raises ends it.
    """

    batch_size: int | None = None
    tokenizer: Any = None
    calibration: int = 65_536
    prepend_bos: bool | None = None
    outlier_medians: float | None = 5.0
    loss_tokens: int | None = 32_768
    text_field: str = "text"
    shuffle_buffer: int | None = None
    centred: bool = False
    threads: int | None = None
    check: Callable[[Mapping[str, Any], Host], None] | None = None

    def __post_init__(self) -> None:
        if self.shuffle_buffer is not None and self.shuffle_buffer < 16:
            raise ValueError(f"shuffle_buffer must be at least 16 vectors (None: all), not {self.shuffle_buffer}")
        if self.calibration < 1:
            raise ValueError(f"calibration needs at least 1 vector, not {self.calibration}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        if self.threads is not None and (isinstance(self.threads, bool) or self.threads < 1):
            raise ValueError(f"threads must be a positive integer, or None (chosen by timing), not {self.threads!r}")
        if self.outlier_medians is not None and not 1 < self.outlier_medians < math.inf:
            raise ValueError(f"outlier_medians must be above 1 (None: drop none), not {self.outlier_medians}")
