"""Published sparse autoencoders: every format in (`load_sae`), the SAELens layout out (`save_sae`)."""

from rsae.formats.reading import load_sae
from rsae.formats.writing import save_sae

__all__ = ["load_sae", "save_sae"]
