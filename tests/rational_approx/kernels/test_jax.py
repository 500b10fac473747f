"""Code of JAX, compiled by XLA in several ways: the bits are those of the proof, at every number of float16."""

import numpy as np
import pytest

from rational_approx import NoKernel, export, implement
from rational_approx.kernels.machines import Machine
from rational_approx.shipping.gate_library import ALL_GATES

FUNCTIONS = ("log1p(x)", "atan(x)", "sin(x)", "sqrt(x)", "asinh(x)")


def test_what_xla_does_not_keep_is_refused():
    with pytest.raises(ValueError, match="subnormal"):
        export(implement("relu"), "jax")


def test_the_code_says_that_it_has_no_slope():
    code = export(implement("relu", format="float16"), "jax", name="relu_float16")
    assert "@jax.custom_jvp\ndef relu_float16(x):" in code
    assert "NotImplementedError" in code


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax", reason="jax is not installed")


def ways(jax, gate, x):
    """Outputs of the code in float32: as it stands, compiled, mapped, and among other operations."""
    import jax.numpy as jnp

    square = x[: x.size // 4 * 4].reshape(4, -1)
    yield "eager", gate(x)
    yield "jit", jax.jit(gate)(x)
    # What follows must not see more digits than the format has.
    yield "converted", jax.jit(lambda x: jnp.stack([gate(x).astype(jnp.float32), gate(-x).astype(jnp.float32)]))(x)[0]
    yield "in a sum", jax.jit(lambda x: jnp.stack([gate(x), gate(-x), gate(x) + gate(x)]))(x)[0]
    yield "mapped", jax.jit(jax.vmap(lambda row: gate(row)))(square).ravel()
    yield "scanned", jax.jit(lambda x: jax.lax.map(gate, x))(square).ravel()
    yield "one", jax.jit(gate)(x[3])[None]
    # Values are the same where what they do not depend on is differentiated.
    slope = jax.jit(jax.grad(lambda a, x: (a * a, gate(x)), has_aux=True))
    yield "beside a slope", slope(jnp.float32(2), x)[1]


def same(found, numbers, x, y, way) -> bool:
    wanted = found.kernel(np.asarray(x).astype(np.float32)).astype(numbers)
    if way == "one":
        wanted = wanted[3:4]
    got = np.asarray(y)[: wanted.size].astype(numbers)
    bits = f"u{got.itemsize}"
    return bool(
        ((got.view(bits) == wanted[: got.size].view(bits)) | (np.isnan(got) & np.isnan(wanted[: got.size]))).all()
    )


@pytest.mark.peers
@pytest.mark.parametrize("name", ALL_GATES)
def test_every_number_of_float16(jax, name):
    found, space = implement(name, format="float16"), {}
    exec(export(found, "jax", name="gate"), space)
    x = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    for way, y in ways(jax, space["gate"], jax.numpy.asarray(x)):
        assert same(found, np.float16, x, y, way), way


@pytest.mark.peers
@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "exp", "softplus", "sigmoid"])
def test_every_number_of_bfloat16_with_a_proof_for_machines_that_flush(jax, name):
    """XLA on a CPU is such a machine: its bits are those of one of them."""
    found, space = implement(name, format="bfloat16", flush=True), {}
    exec(export(found, "jax", name="gate"), space)
    given = (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)
    for way, y in ways(jax, space["gate"], jax.numpy.asarray(given).astype("bfloat16")):
        got = np.asarray(y.astype("float32"))
        x = given[3:4] if way == "one" else given[: got.size]
        flushed = found.kernel(x, Machine(True, "rounded"))
        assert ((got.view(np.uint32) == flushed.view(np.uint32)) | (np.isnan(got) & np.isnan(flushed))).all(), way


@pytest.mark.peers
@pytest.mark.parametrize("name", [*ALL_GATES, *FUNCTIONS])
def test_many_numbers_of_float32(jax, name):
    try:
        found, space = implement(name, format="float32"), {}
    except NoKernel as problem:
        pytest.skip(str(problem))
    exec(export(found, "jax", name="gate"), space)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 1 << 32, 100_000, dtype=np.uint64).astype(np.uint32)
    tiny = rng.integers(0, 1 << 24, 30_000, dtype=np.uint64).astype(np.uint32)
    usual = rng.uniform(-120, 120, 60_000).astype(np.float32)
    ends = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, *(piece.upper for piece in found.kernel.pieces)])
    x = np.concatenate([codes.view(np.float32), tiny.view(np.float32), usual, ends.astype(np.float32)])
    with jax.enable_x64(True):
        for way, y in ways(jax, space["gate"], jax.numpy.asarray(x)):
            assert same(found, np.float32, x, y, way), way


@pytest.mark.peers
def test_without_wide_numbers_or_with_a_slope_it_is_refused(jax):
    space = {}
    exec(export(implement("tanh", format="float32"), "jax", name="gate"), space)
    # Other tests may have switched it on.
    with jax.enable_x64(False), pytest.raises(TypeError, match="jax_enable_x64"):
        space["gate"](jax.numpy.zeros(3))
    exec(export(implement("tanh", format="float16"), "jax", name="gate"), space)
    with pytest.raises(NotImplementedError, match="values alone"):
        jax.grad(lambda x: space["gate"](x).astype("float32"))(jax.numpy.float16(1.0))
