"""The sparse autoencoder: its equations, the supports of its families, and folding."""

from rsae.sae.autoencoder import SAEOutput, SparseAutoencoder
from rsae.sae.conventions import Conventions
from rsae.sae.transcoder import Transcoder

__all__ = ["Conventions", "SAEOutput", "SparseAutoencoder", "Transcoder"]
