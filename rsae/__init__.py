"""Rational sparse autoencoders: upgrade a trained SAE, fine-tune it, and compare it with an equal control.

One way through it: :func:`load_sae`, :func:`hidden_states`, :func:`upgrade`; each step is a function of its own, too.
"""

# Modules and functions share names (rsae.upgrade, rsae.hidden_states, ...): imported here, the function wins. A module
# of the same name is still reached by `from rsae.upgrade import ...`.
from rsae.activation import RationalActivation
from rsae.calibrate import calibrate
from rsae.finetune import finetune
from rsae.formats import load_sae, save_sae
from rsae.hidden_states import HiddenStates, hidden_states
from rsae.metrics import evaluate
from rsae.report import Report
from rsae.sae import SAEOutput, SparseAutoencoder
from rsae.upgrade import Upgrade, upgrade

__all__ = [
    "HiddenStates",
    "RationalActivation",
    "Report",
    "SAEOutput",
    "SparseAutoencoder",
    "Upgrade",
    "calibrate",
    "evaluate",
    "finetune",
    "hidden_states",
    "load_sae",
    "save_sae",
    "upgrade",
]
