"""The sparse autoencoder: its equations, folding, and GroupMax."""

from rsae.sae.autoencoder import SAEOutput, SparseAutoencoder

__all__ = ["SAEOutput", "SparseAutoencoder"]
