"""`Conventions`: what differs between the libraries that train SAEs, at equal equations."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["NORMALISATIONS", "PLAIN", "Conventions"]

NORMALISATIONS = ("none", "layer_norm", "constant_norm_rescale")


@dataclass(frozen=True)
class Conventions:
    """How the library that trained an SAE writes its equations down.  Raises ValueError for a normalisation unknown.

    apply_b_dec_to_input, rescale_by_decoder_norm:
        As in the equations of `SparseAutoencoder`; the second is for topk (sae-lens ``rescale_acts_by_decoder_norm``).
    normalise:
        ``"none"``, ``"layer_norm"`` (each token centred and divided by its unbiased standard deviation + 1e-5) or
        ``"constant_norm_rescale"`` (each token scaled to norm sqrt(d_in)); undone after the decoder.
    """

    apply_b_dec_to_input: bool = True
    rescale_by_decoder_norm: bool = False
    normalise: str = "none"

    def __post_init__(self) -> None:
        if self.normalise not in NORMALISATIONS:
            raise ValueError(f"normalise must be one of {', '.join(NORMALISATIONS)}, not {self.normalise!r}")

    def normalised(self, x: Tensor) -> tuple[Tensor, Tensor | float, Tensor | float]:
        """The input [..., d_in] as the encoder takes it, and the shift and scale [..., 1] that undo it."""
        if self.normalise == "layer_norm":
            shift = x.mean(-1, keepdim=True)
            # As in sae-lens: unbiased standard deviation, the epsilon outside the root, and only on the way in.
            scale = x.std(-1, keepdim=True)
            return (x - shift) / (scale + 1e-5), shift, scale
        if self.normalise == "constant_norm_rescale":
            scale = x.norm(dim=-1, keepdim=True).clamp_min(1e-12) / x.shape[-1] ** 0.5
            return x / scale, 0.0, scale
        return x, 0.0, 1.0


PLAIN = Conventions()
