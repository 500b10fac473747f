"""`SparseAutoencoder`: ReLU, JumpReLU, TopK and GroupMax in one class, with the teacher's gate or a rational one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from rsae.activations.paper import Activation
from rsae.activations.ratio import norm_share
from rsae.notebook import facts
from rsae.sae.conventions import PLAIN, Conventions
from rsae.sae.latents import Latents
from rsae.sae.refinement import REFINEMENTS, corrected, first_steps, least_squares_gain
from rsae.sae.support import Search, Support, above, group_maxima, largest

__all__ = ["FAMILIES", "Family", "SAEOutput", "SparseAutoencoder"]

Family = Literal["relu", "jumprelu", "topk", "groupmax"]
FAMILIES = ("relu", "jumprelu", "topk", "groupmax")
_ENTRIES = 2**22  # of a matrix [tokens, d_sae] at once: 16 MiB in float32


class SAEOutput(NamedTuple):
    """What one forward pass gives: codes [..., d_sae], reconstruction [..., d_out], pre_activations [..., d_sae]."""

    codes: Tensor
    reconstruction: Tensor
    pre_activations: Tensor


class SparseAutoencoder(nn.Module):
    """A sparse autoencoder, as its equations (`rsae.sae.transcoder` has those of one with another target)::

        h     = W_enc^T (x - b_dec) + b_enc        (without "- b_dec" where apply_b_dec_to_input is False)
        S     = {j : h_j > 0}                      relu
                {j : h_j > threshold_j}            jumprelu
                the k largest h_j, if positive     topk   (h_j |W_dec_j| decides with rescale_by_decoder_norm)
                the largest h_j of each of k groups of neighbours, if positive   groupmax
        z_j   = h_j on S, or h_j rho(tau / h_j) with a `RationalActivation`; exactly 0 elsewhere
        x_hat = W_dec^T z + b_dec                  (rows divided by their norm with rescale_by_decoder_norm)

    with ``tau`` the threshold that the gate uses: 0, threshold_j, the (k+1)-th largest pre-activation of the token, or
    the second largest of the group.

    Of several processes each may hold a share of the latents (`rsae.sae.latents`): codes and pre-activations are then
    those of the share, reconstructions those of all latents, and all processes make every pass together.

    Parameters
    ----------
    W_enc, b_enc, W_dec, b_dec:
        Arrays or tensors [d_in, d_sae], [d_sae], [d_sae, d_in], [d_in]; copied to float32 parameters.
    family:
        ``"relu"``, ``"jumprelu"``, ``"topk"`` or ``"groupmax"``.
    k:
        Number of codes a token may keep; topk and groupmax only.
    threshold:
        [d_sae], or one number for all; jumprelu only.
    activation:
        ``None`` for the teacher's own gate, a `RationalActivation` on its exact support, or a `PaperActivation`.
    conventions:
        What differs between the libraries that train SAEs: `Conventions`.
    refine:
        ``"none"``; ``"gain"``: the codes of a token are scaled by the least-squares gain, held in [0.5, 2];
        ``"residual"``: one step ``z <- max(z + eta W_dec (x - x_hat), 0)`` on the support, ``"residual_twice"``: two,
        each with its eta; ``"search"``, ``"search_twice"``: the same with eta times the step that is best for the
        token. Not activations: they read the other codes, and cost more decodes (`rsae.sae.refinement`).
    prefixes:
        Of a nested (Matryoshka) SAE the widths m, ascending and at most d_sae, of which the first m latents reconstruct
        by themselves. The equations are the same; training minimises the mean of all these errors.
    metadata:
        Free form (hook name, source, the config as read).

    Raises
    ------
    ValueError
        for shapes that do not fit together, values that are not finite, or options that the family does not have.

    >>> eye = torch.eye(2)
    >>> sae = SparseAutoencoder(W_enc=eye, b_enc=[0, 0], W_dec=eye, b_dec=[0, 0], family="topk", k=1)
    >>> sae.encode(torch.tensor([[3.0, 2.0]])).tolist()
    [[3.0, 0.0]]
    """

    threshold: nn.Parameter | None
    residual_step: nn.Parameter | None
    W_skip: nn.Parameter | None
    transcodes = False

    def __init__(
        self,
        *,
        W_enc: Any,
        b_enc: Any,
        W_dec: Any,
        b_dec: Any,
        family: Family,
        k: int | None = None,
        threshold: Any = None,
        activation: Activation | None = None,
        conventions: Conventions = PLAIN,
        refine: str = "none",
        prefixes: Sequence[int] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
        if refine not in REFINEMENTS:
            raise ValueError(f"refine must be one of {', '.join(REFINEMENTS)}, not {refine!r}")
        encoder = _checked("W_enc", W_enc)
        if encoder.ndim != 2 or 0 in encoder.shape:
            raise ValueError(f"W_enc must have shape [d_in, d_sae], not {list(encoder.shape)}")
        d_in, d_sae = encoder.shape
        self.W_enc = nn.Parameter(encoder)
        self.b_enc = nn.Parameter(_checked("b_enc", b_enc, (d_sae,)))
        d_out = self._given(W_dec, d_in)
        self.W_dec = nn.Parameter(_checked("W_dec", W_dec, (d_sae, d_out)))
        self.b_dec = nn.Parameter(_checked("b_dec", b_dec, (d_out,)))
        if (family == "jumprelu") != (threshold is not None):
            raise ValueError("family 'jumprelu' needs a threshold [d_sae], and no other family takes one")
        if (family in ("topk", "groupmax")) != (k is not None):
            raise ValueError("family 'topk' (or 'groupmax') needs k, and no other family takes one")
        if k is not None and (isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= d_sae):
            raise ValueError(f"k must be an integer from 1 to d_sae = {d_sae}, not {k!r}")
        if family == "groupmax" and k is not None and d_sae % k:
            raise ValueError(f"groupmax needs k groups of equal size, but d_sae = {d_sae} is not a multiple of k = {k}")
        if conventions.rescale_by_decoder_norm and family != "topk":
            raise ValueError(
                "rescale_by_decoder_norm is for family 'topk': fold the norms of others into their weights"
            )
        if threshold is not None:
            values = torch.as_tensor(threshold, dtype=torch.float32)
            threshold = nn.Parameter(
                _checked("threshold", values.expand(d_sae) if values.ndim == 0 else values, (d_sae,))
            )
        self.register_parameter("threshold", threshold)
        self.register_parameter("residual_step", first_steps(refine))
        self.register_parameter("W_skip", None)
        self.latents = Latents(d_sae, 0, d_sae)
        self.family: Family = family
        self.k = k
        self.activation = activation
        self.conventions = conventions
        self.refine = refine
        self.prefixes = _nesting(prefixes, d_sae)
        self.metadata: dict[str, Any] = dict(metadata or {})

    @property
    def d_in(self) -> int:
        """Width of the hidden states that are read."""
        return self.W_enc.shape[0]

    @property
    def d_out(self) -> int:
        """Width of what is given."""
        return self.W_dec.shape[1]

    @property
    def d_sae(self) -> int:
        """Number of latents, of all processes."""
        return self.latents.count

    # -- rows: what is read, and what is to be given; of an autoencoder they are the hidden states -------------------

    @property
    def width(self) -> int:
        """Width of a row."""
        return self.d_in

    @property
    def taken(self) -> str:
        """What is taken, in words for messages."""
        return f"d_in = {self.d_in}"

    def read(self, rows: Tensor) -> Tensor:
        """What is read of rows [..., width]: vectors [..., d_in]."""
        return rows

    def target(self, rows: Tensor) -> Tensor:
        """What is to be given for rows [..., width]: vectors [..., d_out]."""
        return rows

    def wanted(self, rows: Tensor) -> Tensor:
        """What codes times decoder rows are to give: the `target` without all else that is added [..., d_out]."""
        return self.target(rows) - self.b_dec

    def _given(self, W_dec: Any, d_in: int) -> int:
        """Width of what is given."""
        return d_in

    # -- the steps of the forward pass ------------------------------------------------------------------------------

    def pre_activations(self, x: Tensor) -> Tensor:
        """``h`` [..., d_sae] for normalised inputs [..., d_in], in units in which decoder rows decide the support."""
        x = self.read(x)
        h = (
            x - self.latents.read(self.b_dec) if self.conventions.apply_b_dec_to_input else x
        ) @ self.W_enc + self.b_enc
        return h * self.W_dec.norm(dim=1) if self.conventions.rescale_by_decoder_norm else h

    def select(self, h: Tensor, search: Search = torch.topk) -> Support:
        """The support of pre-activations [..., d_sae], with the threshold that the gate uses: the family's rule.

        The paper's dense activation has every latent in its support, and no threshold. ``search`` finds a topk's codes.
        """
        if self.dense:
            return Support(h, torch.zeros((), device=h.device), None)
        if self.k is not None:
            if self.family == "groupmax":
                return group_maxima(h, self.k * self.latents.held // self.d_sae)
            return largest(h, self.k, search, self.latents)
        return above(h, self.threshold if self.threshold is not None else torch.zeros((), device=h.device))

    def _codes(self, h: Tensor, x: Tensor) -> Tensor:
        kept, tau, places = self.select(h)
        size = self.size(x)
        share = None if size is None else self.latents.read(norm_share(size, self.latents.norm(kept)))
        if places is None:
            return kept if self.activation is None else cast(Tensor, self.activation(kept, tau, share))
        codes = kept if self.activation is None else self.activation.values(kept, tau, share)
        return torch.zeros_like(h).scatter(-1, places, codes)

    def size(self, x: Tensor) -> Tensor | None:
        """``|x - b_dec|`` [..., 1] of normalised inputs, where the activation reads the norm share; else None."""
        if self.activation is None or "norm" not in self.activation.inputs:
            return None
        return (x - self.b_dec).norm(dim=-1, keepdim=True)

    def _refined(self, codes: Tensor, x: Tensor) -> Tensor:
        if self.refine == "none":
            return codes
        rows, target = self._rows(), x - self.b_dec
        image = self.latents.sum(codes @ rows)
        if self.refine == "gain":
            return codes * least_squares_gain(target, image)
        assert self.residual_step is not None
        found, _ = corrected(
            codes,
            image,
            target,
            steps=self.latents.read(self.residual_step),
            searched=self.refine.startswith("search"),
            decode=lambda z: self.latents.sum(z @ rows),
            pull=lambda left: self.latents.read(left) @ rows.T,
            spread=self.latents.read,
        )
        return found

    def _rows(self) -> Tensor:
        """Decoder rows [d_sae, d_in] in the units of the codes."""
        if not self.conventions.rescale_by_decoder_norm:
            return self.W_dec
        return self.W_dec / self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12)

    # -- public passes ----------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        """Codes [..., d_sae] of hidden states [..., d_in]; exactly zero off the support."""
        self._check(x)
        inputs = self.conventions.normalised(x)[0]
        return self._refined(self._codes(self.pre_activations(inputs), inputs), inputs)

    def decode(self, codes: Tensor) -> Tensor:
        """Reconstruction [..., d_out] of codes [..., d_sae], in normalised units where `normalise` is not "none"."""
        return self.latents.sum(codes @ self._rows()) + self.b_dec

    def decoded(self, codes: Tensor, inputs: Tensor) -> Tensor:
        """All that is given [..., d_out] for codes and the normalised inputs that they are of, in normalised units."""
        return self.decode(codes)

    def forward(self, x: Tensor) -> SAEOutput:
        """Codes, reconstruction (in the units of ``x``) and pre-activations of hidden states [..., d_in], or of rows.

        Raises
        ------
        ValueError
            if the last dimension of ``x`` is not d_in.
        """
        self._check(x)
        inputs, shift, scale = self.conventions.normalised(x)
        h = self.pre_activations(inputs)
        codes = self._refined(self._codes(h, inputs), inputs)
        return SAEOutput(codes, self.decoded(codes, inputs) * scale + shift, h)

    def chunks(self, x: Tensor) -> Iterator[Tensor]:
        """Hidden states (rows) [n, ...] in pieces, in float32 on this SAE's device, few enough that codes stay small.

        The one rule for the memory of whatever is measured over many tokens. Rows are computed alike in any piece.
        """
        for chunk in x.split(max(1, _ENTRIES // self.latents.most)):
            yield chunk.to(self.W_enc.device, torch.float32)

    def _check(self, x: Tensor) -> None:
        if x.ndim == 0 or x.shape[-1] not in (self.d_in, self.width):
            raise ValueError(f"this SAE takes hidden states of width {self.taken}, not of shape {list(x.shape)}")

    @property
    def dense(self) -> bool:
        """Whether the codes are the paper's, which have no support."""
        return self.activation is not None and self.activation.dense

    @property
    def tolerance(self) -> float:
        """Codes of at most this magnitude count as zero: 0 on an exact support."""
        return 0.0 if self.activation is None else self.activation.tolerance

    def extra_repr(self) -> str:
        """What `repr` shows."""
        gate = f"k={self.k}" if self.k is not None else self.family
        nested = f", prefixes={self.prefixes}" if self.prefixes else ""
        return f"d_in={self.d_in}, d_sae={self.d_sae}, family={self.family!r}, {gate}{nested}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        gate = "the teacher's own" if self.activation is None else type(self.activation).__name__
        known = {name: self.metadata.get(name) for name in ("model", "hook", "source")}
        return facts(
            type(self).__name__,
            {"family": self.family, "d_in": self.d_in, "latents (d_sae)": self.d_sae, "k": self.k, "gate": gate}
            | {"refinement": None if self.refine == "none" else self.refine, **known},
        )


def _nesting(prefixes: Sequence[int], d_sae: int) -> tuple[int, ...]:
    """The widths of a nested SAE, its whole width the last; none where that is the only one."""
    known = all(isinstance(width, int) and not isinstance(width, bool) for width in prefixes)
    if not known or list(prefixes) != sorted({width for width in prefixes if 0 < width <= d_sae}):
        raise ValueError(f"prefixes must be ascending widths of at most d_sae = {d_sae}, not {list(prefixes)[:8]}")
    widths = tuple(prefixes) if d_sae in prefixes else (*prefixes, d_sae)
    return widths if len(widths) > 1 else ()


def _checked(name: str, values: Any, shape: tuple[int, ...] | None = None) -> Tensor:
    """A float32 copy of an array, of the given shape and without NaN or infinity."""
    tensor = torch.as_tensor(values).detach().to(torch.float32).clone()
    if shape is not None and tuple(tensor.shape) != shape:
        raise ValueError(f"{name} must have shape {list(shape)} to fit W_enc, not {list(tensor.shape)}")
    if not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise ValueError(f"{name} holds {bad} values that are NaN or infinite, so this SAE cannot be used")
    return tensor
