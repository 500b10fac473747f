"""Published sparse autoencoders: every format in (`load_sae`), the SAELens layout out (`save_sae`)."""

from rsae.formats.hub import push_sae
from rsae.formats.reading import load_sae
from rsae.formats.writing import export_torch, save_sae

__all__ = ["export_torch", "load_sae", "push_sae", "save_sae"]
