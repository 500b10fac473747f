"""`Transcoder`: the equations of an SAE with another target.

It reads one vector of the host and gives another, as a rule what goes into an MLP and what comes out of it. What it is
measured and trained on are then *rows* [x, y]: what it reads, followed by what it is to give. An autoencoder's row is x
alone, its own target, so that whatever handles rows handles both.
"""

from typing import Any

import torch
from torch import Tensor, nn

from rsae.sae.autoencoder import SparseAutoencoder
from rsae.sae.conventions import Conventions

__all__ = ["Transcoder"]

_PLAIN = Conventions(apply_b_dec_to_input=False)


class Transcoder(SparseAutoencoder):
    """A transcoder: ``y_hat = W_dec^T z + b_dec + W_skip^T x``, with the codes z of x as of a `SparseAutoencoder`.

    Parameters
    ----------
    W_skip:
        The skip connection [d_in, d_out]; None: there is none.
    options:
        As of a `SparseAutoencoder`, with W_dec [d_sae, d_out] and b_dec [d_out]. b_dec is not subtracted from the
        input, and nothing is normalised. There is no refinement and no norm share: both read what is left of the
        target, which is not known to a transcoder.

    Raises
    ------
    ValueError
        for any of these, and as a `SparseAutoencoder` does.

    >>> eye, zero = torch.eye(2), torch.zeros(2)
    >>> double = Transcoder(W_enc=eye, b_enc=zero, W_dec=2 * eye, b_dec=zero, family="relu", W_skip=-eye)
    >>> double(torch.tensor([[3.0, -1.0]])).reconstruction.tolist()
    [[3.0, 1.0]]
    >>> double.target(torch.tensor([[3.0, -1.0, 6.0, 0.0]])).tolist()
    [[6.0, 0.0]]
    """

    transcodes = True

    def __init__(self, *, W_skip: Any = None, conventions: Conventions = _PLAIN, **options: Any) -> None:
        if (
            options.get("refine", "none") != "none"
            or conventions.apply_b_dec_to_input
            or conventions.normalise != "none"
        ):
            raise ValueError(
                "a transcoder is not refined (its target is not known to it), subtracts no b_dec from its input "
                "(apply_b_dec_to_input) and normalises nothing"
            )
        super().__init__(conventions=conventions, **options)
        if W_skip is not None:
            skip = torch.as_tensor(W_skip).detach().to(torch.float32).clone()
            if skip.shape != (self.d_in, self.d_out) or not bool(torch.isfinite(skip).all()):
                raise ValueError(
                    f"W_skip must be finite, of shape {[self.d_in, self.d_out]} to fit W_enc and W_dec, not "
                    f"{list(skip.shape)}"
                )
            self.W_skip = nn.Parameter(skip)

    @property
    def width(self) -> int:
        """Width of a row: d_in + d_out."""
        return self.d_in + self.d_out

    @property
    def taken(self) -> str:
        """What is taken, in words for messages."""
        return f"d_in = {self.d_in}, or rows of {self.d_in} + {self.d_out}, what is read and what is to be given"

    def read(self, rows: Tensor) -> Tensor:
        """What is read of rows [..., width]: vectors [..., d_in]; such vectors are returned as they are."""
        return rows[..., : self.d_in]

    def target(self, rows: Tensor) -> Tensor:
        """What is to be given for rows [..., width]: vectors [..., d_out]."""
        return rows[..., self.d_in :]

    def wanted(self, rows: Tensor) -> Tensor:
        """What codes times decoder rows are to give: the `target` without bias and skip connection [..., d_out]."""
        wanted = super().wanted(rows)
        return wanted if self.W_skip is None else wanted - self.read(rows) @ self.W_skip

    def size(self, x: Tensor) -> Tensor | None:
        """None; ValueError where the activation reads the norm share."""
        if self.activation is not None and "norm" in self.activation.inputs:
            raise ValueError("the norm share compares codes with what they explain, which a transcoder does not know")
        return None

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"{super().extra_repr()}, d_out={self.d_out}, skip={self.W_skip is not None}"

    def _given(self, W_dec: Any, d_in: int) -> int:
        shape = torch.as_tensor(W_dec).shape
        return shape[1] if len(shape) == 2 else d_in

    def decoded(self, codes: Tensor, inputs: Tensor) -> Tensor:
        """All that is given [..., d_out] for codes and the inputs that they are of."""
        decoded = self.decode(codes)
        return decoded if self.W_skip is None else decoded + self.read(inputs) @ self.W_skip
