"""`torch.nn` activations become the expressions that they compute; torch itself is the truth."""

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

from rational_approx import Target, certify, fit
from rational_approx.targets.torch_activations import NAMES, find

torch = pytest.importorskip("torch")
nn = torch.nn

MODULES = [
    *(nn.CELU(), nn.CELU(alpha=0.7), nn.ELU(), nn.ELU(alpha=1.3), nn.GELU(), nn.GELU(approximate="tanh")),
    *(nn.Hardshrink(), nn.Hardshrink(0.2), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(), nn.Hardtanh(-0.3, 2.5)),
    *(nn.LeakyReLU(), nn.LeakyReLU(0.2), nn.LogSigmoid(), nn.Mish(), nn.PReLU(), nn.PReLU(init=0.125), nn.ReLU()),
    *(nn.ReLU6(), nn.RReLU(), nn.SELU(), nn.SiLU(), nn.Sigmoid(), nn.Softplus(), nn.Softplus(beta=2.5)),
    *(nn.Softplus(beta=0.5, threshold=2), nn.Softshrink(), nn.Softshrink(0.25), nn.Softsign(), nn.Tanh()),
    *(nn.Tanhshrink(), nn.Threshold(0.1, 20), nn.Threshold(1, 1)),
]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_known_module_is_its_expression(module):
    target = Target(module)
    assert target.expression is not None
    module = module.double().eval()
    for piece in target.pieces:
        x = np.linspace(float(piece.lower), float(piece.upper), 501)[1:-1]  # at a jump the module takes one side
        # beyond its threshold of 20 torch's Softplus drops at most 2e-9 / beta
        slack = 4e-9 if isinstance(module, nn.Softplus) else 1e-14
        np.testing.assert_allclose(piece.function(x), module(torch.from_numpy(x)).detach(), rtol=1e-13, atol=slack)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_module_with_its_defaults(name):
    made = find(getattr(nn, name.rpartition(".")[2])())
    assert find(name) == made
    assert Target(name).domain == made.domain
    assert find(name.removeprefix("torch.")) == find(name.rpartition(".")[2]) == made


@pytest.mark.parametrize("name", ["silu", "leaky_relu", "hardswish", "logsigmoid", "rrelu", "softshrink"])
def test_a_name_of_a_function_is_that_function(name):
    for place in ("torch.nn.functional", "F"):
        assert find(f"{place}.{name}") == find(getattr(nn.functional, name))
    assert find("torch.sigmoid") == find(torch.sigmoid)


def test_a_fit_of_a_module_is_proved():
    found = fit(nn.GELU(), (5, 4), domain=(-4, 4))
    assert certify(found).status == "proved"
    assert found.error == fit("gelu", (5, 4), (-4, 4)).error


def test_a_module_of_another_class_is_an_opaque_function():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(1.702))  # float32, as modules are
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(x * torch.sigmoid(self.scale * x))

    module = Mine()
    scale = module.scale.item()
    found = fit(module, (5, 4), (-3, 3))
    assert found.target.expression is None
    assert found.target.name == "Mine"
    assert found.error == pytest.approx(fit(f"x * sigmoid({scale!r} * x)", (5, 4), (-3, 3)).error, rel=1e-8)
    assert module.training
    assert module.scale.dtype == torch.float32
    both = fit(nn.Sequential(nn.Tanh(), nn.Tanh()), (3, 2), (-2, 2))
    assert both.error == pytest.approx(fit("tanh(tanh(x))", (3, 2), (-2, 2)).error, rel=1e-8)


@pytest.mark.parametrize("module", [nn.Softmax(0), nn.GLU(), nn.MultiheadAttention(4, 2), nn.PReLU(3)], ids=str)
def test_modules_that_mix_numbers_are_refused(module):
    with pytest.raises(ValueError, match="does not act on each number by itself"):
        Target(module, (-1, 1))


@pytest.mark.parametrize("name", ["torch.nn.Softmax", "torch.nn.Threshold", "torch.sin", "nn.gelu", "F.GELU"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="is not known by name"):
        Target(name, (-1, 1))


def test_parameters_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="beta of Softplus"):
        Target(nn.Softplus(beta=-1))
    with pytest.raises(ValueError, match="finite number"):
        Target(nn.LeakyReLU(math.nan))


def test_names_do_not_import_torch():
    program = (
        "import sys; from rational_approx import Target; Target('torch.nn.GELU'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# -- functions of torch ----------------------------------------------------------------------------------------------

FUNCTIONS = [
    *(torch.tanh, torch.sigmoid, torch.relu, torch.celu, torch.selu, nn.functional.gelu, nn.functional.silu),
    *(nn.functional.mish, nn.functional.elu, nn.functional.softplus, nn.functional.leaky_relu, nn.functional.relu6),
    *(nn.functional.hardswish, nn.functional.logsigmoid, nn.functional.softsign, nn.functional.tanhshrink),
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_function_of_torch_is_its_expression(function):
    target = Target(function)
    assert target.expression is not None
    for piece in target.pieces:
        x = np.linspace(float(piece.lower), float(piece.upper), 101)[1:-1]
        np.testing.assert_allclose(piece.function(x), function(torch.from_numpy(x)), rtol=1e-13, atol=4e-9)


def test_another_function_of_torch_is_called_on_tensors():
    found = fit(torch.exp, (4, 4), (-1, 1))
    assert found.target.name == "exp"
    assert found.error == pytest.approx(fit("exp(x)", (4, 4), (-1, 1)).error, rel=1e-4)
    assert pickle.loads(pickle.dumps(fit(torch.special.i0e, (2, 2), (0, 1))))(0.5) == pytest.approx(0.645, abs=1e-2)
    with pytest.raises(ValueError, match="does not act on each number by itself"):
        Target(torch.cumsum, (0, 1))
