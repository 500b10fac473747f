"""A causal language model and its tokenizer from a local directory, a GGUF file or a hub name.

Why not accelerate's choice of a device: it takes any accelerator there is, for the whole process, and refuses none.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

__all__ = ["load_language_model", "pick_device", "pick_dtype"]

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(device: str | torch.device) -> torch.device:
    """The device meant: ``"auto"`` is CUDA where there is one.  Raises ValueError for a device that is not there.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"no device {device!r}; try 'auto', 'cpu' or 'cuda'") from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (chosen.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(chosen.type, False):
        raise ValueError(f"device {str(device)!r} is not on this machine; try 'cpu' or 'auto'")
    return chosen


def pick_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The floating-point format meant by a name.

    >>> pick_dtype("bfloat16")
    torch.bfloat16
    """
    chosen = _DTYPES.get(str(dtype).removeprefix("torch."))
    if chosen is None:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(_DTYPES)}")
    return chosen


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Transformers draws progress bars and logs hints on its own; a library that is called draws nothing."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the reader of GGUF files heeds neither setting
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _place(source: str | Path) -> tuple[str, dict[str, Any]]:
    """What ``from_pretrained`` takes for a source: a name or folder, and keyword arguments."""
    path = Path(source)
    if path.is_dir():
        ggufs = sorted(path.glob("*.gguf"))
        if not (path / "config.json").is_file():
            hint = f"; it holds {ggufs[0].name}: give the path of that file" if ggufs else ""
            raise ValueError(f"{path} is no model directory: it has no config.json{hint}")
        return str(path), {"local_files_only": True}
    if path.is_file():
        with path.open("rb") as file:
            magic = file.read(4)
        if magic != b"GGUF":
            raise ValueError(f"{path} is not a GGUF file; give a .gguf file, a model directory or a hub name")
        try:
            import gguf  # noqa: F401 - transformers imports it late and explains its absence badly
        except ImportError as error:
            raise ImportError(f"{path} is a GGUF file: reading it needs the gguf package (pip install gguf)") from error
        return str(path.parent), {"gguf_file": path.name, "local_files_only": True}
    if path.suffix == ".gguf" or not _HUB_NAME.fullmatch(str(source)):
        raise FileNotFoundError(f"no model at {str(source)!r}; give a model directory, a .gguf file or a hub name")
    return str(source), {}


def load_language_model(
    source: str | Path, *, dtype: str | torch.dtype = "float32", device: str | torch.device = "cpu"
) -> tuple[Any, Any]:
    """Model (evaluation mode, on ``device``) and tokenizer from a directory, a ``.gguf`` file or a hub name.

    Code that comes with a model is never run. Raises FileNotFoundError, ValueError (not a model, or the hub does not
    give it) or ImportError (a GGUF file without the ``gguf`` package), each in one sentence.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place, options = _place(source)
    target, chosen = pick_device(device), pick_dtype(dtype)
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
            model = AutoModelForCausalLM.from_pretrained(place, dtype=chosen, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        local = f"{source} does not load as a causal language model"
        absent = f"no model {place!r}: it is not a local directory, and the hub did not give it"
        raise ValueError(f"{local if options else absent}: {reason}") from error
    if "gguf_file" in options:  # the weights are now plain ones; with the mark left on, saving the model is refused
        model.config.__dict__.pop("quantization_config", None)
        model.hf_quantizer = None
    return model.to(target).eval(), tokenizer
