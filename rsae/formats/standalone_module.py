"""A rational sparse autoencoder in PyTorch alone: this file, ``cfg.json`` and ``weights.pt`` belong together.

    from rational_sae import load
    sae = load()                      # the folder that this file is in
    codes = sae.encode(x)             # [..., d_sae], exact zeros off the support
    x_hat = sae(x)                    # [..., d_in]

Written by rsae (`rsae.formats.export_torch`); it needs nothing but torch.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["StandaloneSAE", "load"]


class StandaloneSAE(nn.Module):
    """The equations of `rsae.SparseAutoencoder`, from a configuration and weights."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    threshold: Tensor
    W_skip: Tensor

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        record = config["rational"]
        self.family, self.k, self.refine = record["family"], record["k"], record["refine"]
        steps = record.get("residual_step", [])
        self.residual_steps = steps if isinstance(steps, list) else [steps]
        self.rescale = config.get("rescale_acts_by_decoder_norm", False)
        for name, value in weights.items():
            self.register_parameter(name, nn.Parameter(value))
        gate = record["activation"] or {}
        self.kind, self.inputs = gate.get("kind"), gate.get("inputs", [])
        self.scales = gate.get("input_scale", 1.0), gate.get("output_scale", 1.0)
        for name in ("numerator", "denominator", "arch"):
            self.register_buffer(name, torch.tensor(gate.get(name, []), dtype=torch.float32))

    def encode(self, x: Tensor) -> Tensor:
        """Codes [..., d_sae] of hidden states [..., d_in]."""
        x = self._normalised(x)[0]
        h = (x - self.b_dec if self.config["apply_b_dec_to_input"] else x) @ self.W_enc + self.b_enc
        codes = self._gate(h * self.W_dec.norm(dim=1) if self.rescale else h, x)
        if self.refine == "none":
            return codes
        target, image = x - self.b_dec, codes @ self._rows()
        for step in self.residual_steps:
            left = target - image
            move = (left @ self._rows().T) * (codes > 0)
            if self.refine.startswith("search"):
                along = move @ self._rows()
                best = (left * along).sum(-1, keepdim=True) / along.square().sum(-1, keepdim=True).clamp_min(1e-12)
                move = move * best.clamp(0.0, 10.0)
            codes = (codes + step * move).clamp_min(0.0)
            image = codes @ self._rows()
        if self.refine != "gain":
            return codes
        power = image.square().sum(-1, keepdim=True)
        gain = (target * image).sum(-1, keepdim=True) / power.clamp_min(1e-12)
        return codes * torch.where(power > 1e-12, gain.clamp(0.5, 2.0), 1.0)

    def decode(self, codes: Tensor) -> Tensor:
        """Reconstruction [..., d_in], in normalised units where the SAE normalises its input."""
        return codes @ self._rows() + self.b_dec

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction [..., d_in] of hidden states, in their own units; what a transcoder gives [..., d_out]."""
        _, shift, scale = self._normalised(x)
        decoded = self.decode(self.encode(x))
        if hasattr(self, "W_skip"):
            decoded = decoded + x @ self.W_skip.T
        return decoded * scale + shift

    def _normalised(self, x: Tensor) -> tuple[Tensor, Tensor | float, Tensor | float]:
        if self.config["normalize_activations"] == "layer_norm":
            shift, scale = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
            return (x - shift) / (scale + 1e-5), shift, scale
        if self.config["normalize_activations"] == "constant_norm_rescale":
            scale = x.norm(dim=-1, keepdim=True).clamp_min(1e-12) / x.shape[-1] ** 0.5
            return x / scale, 0.0, scale
        return x, 0.0, 1.0

    def _rows(self) -> Tensor:
        return self.W_dec / self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12) if self.rescale else self.W_dec

    def _gate(self, h: Tensor, x: Tensor) -> Tensor:
        if self.kind == "paper":
            t = (h / self.scales[0]).clamp(-1.0, 1.0)
            return self.scales[1] * self._ratio(t, 1 - t * t, None)
        if self.family == "groupmax":
            groups = h.unflatten(-1, (self.k, -1))
            size = groups.shape[-1]
            largest, order = groups.topk(min(2, size), dim=-1)
            tau = largest[..., 1] if size > 1 else torch.zeros_like(largest[..., 0])
            kept = self._values(largest[..., 0].clamp_min(0.0), tau, x)
            columns = order[..., 0] + size * torch.arange(self.k, device=h.device)
            return torch.zeros_like(h).scatter(-1, columns, kept)
        if self.family == "topk":
            largest, order = h.topk(min(self.k + 1, h.shape[-1]), dim=-1)
            tau = largest[..., self.k :] if largest.shape[-1] > self.k else torch.zeros_like(largest[..., :1])
            kept = self._values(largest[..., : self.k].clamp_min(0.0), tau, x)
            return torch.zeros_like(h).scatter(-1, order[..., : self.k], kept)
        tau = self.threshold if self.family == "jumprelu" else h.new_zeros(())
        return self._values(h * (h > tau), tau, x)

    def _values(self, h: Tensor, tau: Tensor, x: Tensor) -> Tensor:
        """``h max(rho(tau / h), 0)`` of non-negative entries; 0 gives 0."""
        if self.kind is None:
            return h
        v = 2 * torch.where(h > 0, tau / torch.where(h > 0, h, 1.0), 0.0).clamp(0.0, 1.0) - 1
        w = None
        if "norm" in self.inputs:
            size = (x - self.b_dec).norm(dim=-1, keepdim=True)
            w = 2 * size / (size + h.norm(dim=-1, keepdim=True)).clamp_min(1e-12) - 1
        return torch.where(h > 0, h * self._ratio(v, 1 - v * v, w).clamp_min(0.0), 0.0)

    def _ratio(self, v: Tensor, edge: Tensor, w: Tensor | None) -> Tensor:
        """``P / (1 + B^2 + edge C^2)`` with P, B, C Chebyshev sums in v (and w, by total degree)."""
        top, b, c = (self._sum(name, v, w) for name in ("numerator", "denominator", "arch"))
        return top / (1 + b.square() + edge * c.square())

    def _sum(self, name: str, v: Tensor, w: Tensor | None) -> Tensor:
        coefficients = getattr(self, name)
        count = len(coefficients)
        pairs = [(i, 0) for i in range(count)]
        if w is not None:
            pairs = [(total - j, j) for total in range(count) for j in range(total + 1)][:count]
        first, second = _chebyshev(v, count), _chebyshev(torch.zeros_like(v) if w is None else w, count)
        total = torch.zeros_like(v)
        for value, (i, j) in zip(coefficients, pairs, strict=True):
            total = total + value * first[i] * (second[j] if j else 1.0)
        return total


def _chebyshev(v: Tensor, count: int) -> list[Tensor]:
    terms = [torch.ones_like(v), v]
    while len(terms) < count:
        terms.append(2 * v * terms[-1] - terms[-2])
    return terms


def load(folder: str | Path | None = None) -> StandaloneSAE:
    """The SAE of a folder; by default of the one that this file is in."""
    home = Path(__file__).parent if folder is None else Path(folder)
    config = json.loads((home / "cfg.json").read_text(encoding="utf-8"))
    return StandaloneSAE(config, torch.load(home / "weights.pt", map_location="cpu", weights_only=True))
