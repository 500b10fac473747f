"""The sparse autoencoder: its equations, the supports of its families, and folding."""

from rsae.sae.autoencoder import SAEOutput, SparseAutoencoder

__all__ = ["SAEOutput", "SparseAutoencoder"]
