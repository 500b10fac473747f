"""Rational sparse autoencoders: upgrade a trained SAE, fine-tune it, and compare it with an equal control.

One way through it: :func:`load_sae`, :func:`hidden_states`, :func:`upgrade`; each step is a function of its own, too.
"""

from rsae.activations.ratio import RationalActivation
from rsae.data.reading import Reading
from rsae.data.states import HiddenStates, hidden_states
from rsae.evaluation.metrics import evaluate
from rsae.formats import load_sae, save_sae
from rsae.report.report import Report
from rsae.sae.autoencoder import SAEOutput, SparseAutoencoder
from rsae.training.finetuning import finetune
from rsae.upgrading.calibration import calibrate
from rsae.upgrading.conversion import Conversion, convert
from rsae.upgrading.own_states import hidden_states_of
from rsae.upgrading.pipeline import Settings, Upgrade, upgrade

__all__ = [
    "Conversion",
    "HiddenStates",
    "RationalActivation",
    "Reading",
    "Report",
    "SAEOutput",
    "Settings",
    "SparseAutoencoder",
    "Upgrade",
    "calibrate",
    "convert",
    "evaluate",
    "finetune",
    "hidden_states",
    "hidden_states_of",
    "load_sae",
    "save_sae",
    "upgrade",
]
