"""Rational SAEs inside SAELens itself, and SAELens's own objects here."""

import importlib
import json

import pytest
import torch

from rsae.activations.paper import PaperActivation
from rsae.activations.ratio import IDENTITIES, IDENTITY, RationalActivation
from rsae.formats import load_sae, save_sae
from tests.rsae.material.saes import random_sae
from tests.rsae.material.transcoders import transcoder

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
X = torch.randn(40, 8, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def sae_lens():
    pytest.importorskip("rsae.saelens", exc_type=ImportError)
    return importlib.import_module("sae_lens")


def _variants():
    for family in ("relu", "jumprelu", "topk", "groupmax"):
        for inputs in (("ratio",), ("ratio", "norm")):
            yield random_sae(family, activation=_bent(RationalActivation(IDENTITY, inputs)))
            yield random_sae(family, activation=_bent(RationalActivation(IDENTITIES["trainable"], inputs)))
        yield random_sae(family, activation=_bent(RationalActivation(IDENTITY)), refine="gain")
        for refine in ("residual", "residual_twice", "search_twice"):
            yield random_sae(family, refine=refine)
        yield random_sae(family, normalise="layer_norm", activation=_bent(RationalActivation(IDENTITY)))
        yield random_sae(family, apply_b_dec_to_input=False)
    yield random_sae("topk", rescale_by_decoder_norm=True, activation=_bent(RationalActivation(IDENTITY)))


def _bent(gate):
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.add_(0.05 * torch.arange(1.0, parameter.numel() + 1).cos())
    return gate


def _name(sae):
    return (
        f"{sae.family}-{sae.refine}-{sae.conventions.normalise}-{'own gate' if sae.activation is None else 'rational'}"
    )


@pytest.mark.parametrize("sae", list(_variants()), ids=_name)
def test_sae_lens_computes_the_same(sae_lens, tmp_path, sae):
    if sae.residual_step is not None:
        sae.residual_step.data.fill_(0.03)
    theirs = sae_lens.SAE.load_from_disk(save_sae(sae, tmp_path / "sae"))
    with torch.no_grad():
        ours, codes = sae(X), theirs.encode(X)
        torch.testing.assert_close(codes, ours.codes, rtol=1e-6, atol=1e-6)
        assert torch.equal(codes != 0, ours.codes != 0), "zeros are exact zeros"
        torch.testing.assert_close(theirs(X), ours.reconstruction, rtol=1e-6, atol=2e-6)
        torch.testing.assert_close(load_sae(theirs)(X), ours, rtol=1e-6, atol=1e-6)
    assert theirs.W_enc.shape == (8, 24)
    assert theirs.cfg.d_sae == 24


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("family", ["relu", "jumprelu", "topk"])
@torch.no_grad()
def test_sae_lens_computes_the_same_transcoders(sae_lens, tmp_path, family, skip):
    sae = transcoder(family, skip, activation=_bent(RationalActivation(IDENTITY, ("ratio",))))
    x = torch.randn(20, sae.d_in, generator=torch.Generator().manual_seed(1))
    theirs = sae_lens.SAE.load_from_disk(save_sae(sae, tmp_path / "sae"))
    torch.testing.assert_close(theirs(x), sae(x).reconstruction, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(theirs.encode(x), sae.encode(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(load_sae(theirs)(x), sae(x), rtol=1e-5, atol=1e-5)
    theirs.save_model(tmp_path / "again")
    torch.testing.assert_close(load_sae(tmp_path / "again")(x), sae(x), rtol=1e-5, atol=1e-5)


def test_a_second_import_is_harmless(sae_lens):
    import rsae.saelens

    before = sae_lens.registry.get_sae_class("rational")
    importlib.reload(rsae.saelens)
    assert sae_lens.registry.get_sae_class("rational") is before


def test_bfloat16_moves_no_coefficient(sae_lens, tmp_path):
    sae = random_sae("topk", activation=_bent(RationalActivation(IDENTITY)))
    theirs = sae_lens.SAE.load_from_disk(save_sae(sae, tmp_path / "sae"), dtype="bfloat16")
    assert theirs.encode(X).dtype == torch.bfloat16
    assert torch.equal(theirs._core().activation.numerator, sae.activation.numerator)
    _, cache = theirs.run_with_cache(X)
    codes = sae._codes(cache["hook_sae_acts_pre"].float(), X)
    assert torch.equal(cache["hook_sae_acts_post"], codes.bfloat16()), "the gate itself runs in float32"


def test_folding_keeps_the_outputs_or_is_refused(sae_lens, tmp_path):
    for family, options in (("relu", {}), ("jumprelu", {}), ("topk", {"rescale_by_decoder_norm": True})):
        sae = random_sae(family, activation=_bent(RationalActivation(IDENTITY)), **options)
        theirs = sae_lens.SAE.load_from_disk(save_sae(sae, tmp_path / family))
        before = theirs(X)
        theirs.fold_W_dec_norm()
        torch.testing.assert_close(theirs.W_dec.norm(dim=1), torch.ones(24), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(theirs(X), before, rtol=1e-4, atol=1e-5)
    plain = sae_lens.SAE.load_from_disk(
        save_sae(random_sae("topk", activation=RationalActivation(IDENTITY)), tmp_path / "refused")
    )
    with pytest.raises(ValueError, match="would change which latents"):
        plain.fold_W_dec_norm()
    with pytest.raises(NotImplementedError, match="before"):
        plain.fold_activation_norm_scaling_factor(2.0)


def test_hooks_and_cache(sae_lens, tmp_path):
    theirs = sae_lens.SAE.load_from_disk(
        save_sae(random_sae("topk", activation=RationalActivation(IDENTITY)), tmp_path / "sae")
    )
    out, cache = theirs.run_with_cache(X)
    assert torch.equal(cache["hook_sae_acts_post"], theirs.encode(X))
    assert torch.equal(cache["hook_sae_output"], out)
    theirs.save_model(tmp_path / "again")
    again = sae_lens.SAE.load_from_disk(tmp_path / "again")
    assert torch.equal(again(X), theirs(X))
    torch.testing.assert_close(load_sae(tmp_path / "again")(X).reconstruction, out, rtol=1e-6, atol=1e-6)


def test_the_dense_form_of_the_paper(sae_lens, tmp_path):
    from fractions import Fraction

    from rational_approx.arithmetic.domain import Domain
    from rational_approx.rationals.rational import Rational

    curve = Rational((Fraction(1, 4), Fraction(1, 2)), (Fraction(1),), Domain.of((-1, 1)))
    sae = random_sae("relu", activation=PaperActivation(curve, input_scale=3.0, output_scale=2.0))
    theirs = sae_lens.SAE.load_from_disk(save_sae(sae, tmp_path / "sae"))
    torch.testing.assert_close(theirs.encode(X), sae.encode(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu", "gated"])
@pytest.mark.parametrize("normalisation", ["none", "expected_average_only_in", "layer_norm", "constant_norm_rescale"])
def test_sae_lens_files_read_here_compute_the_same(sae_lens, tmp_path, architecture, normalisation):
    cls, config = sae_lens.registry.get_sae_class(architecture)
    options = {"k": 3, "rescale_acts_by_decoder_norm": True} if architecture == "topk" else {}
    torch.manual_seed(0)
    theirs = cls(config(d_in=8, d_sae=24, normalize_activations=normalisation, **options))
    for parameter in theirs.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    theirs.save_model(tmp_path)
    with torch.no_grad():
        expected, out = theirs.encode(X), theirs(X)
        for ours in (load_sae(tmp_path), load_sae(theirs)):
            found = ours(X)
            torch.testing.assert_close(found.codes, expected, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(found.reconstruction, out, rtol=1e-6, atol=2e-6)
    flat = json.loads((tmp_path / "cfg.json").read_text())
    assert flat["architecture"] == architecture
