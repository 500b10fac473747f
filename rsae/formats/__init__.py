"""Published sparse autoencoders: every format in (`load_sae`), the SAELens layout out (`save_sae`)."""

from rsae.formats.hub import push_sae
from rsae.formats.reading import load_sae
from rsae.formats.releases import Release, releases
from rsae.formats.writing import export_torch, save_sae

__all__ = ["Release", "export_torch", "load_sae", "push_sae", "releases", "save_sae"]
