"""The words of JAX for :mod:`shipping.kernel_arrays`.

XLA makes one operation of a product and a sum, merges constants that follow each other, and leaves conversions to a
shorter format and back out. Barriers keep constants apart, but the rest is done after XLA's own barriers are gone. So
the bits of every product, and those of the result, are or-ed with 1 where x is no number, else with 0:
no compiler knows which, and an integer operation stands between a product and a sum. The result at NaN is NaN all the
same.

XLA takes subnormal numbers for zero on a CPU. Those of float16 are normal ones of float32, in which its code
calculates; those of float32 are read and written by their bits. Code for bfloat16 must be proved for machines that
flush.
"""

from rational_approx.kernels.implement import Implementation
from rational_approx.shipping.kernel_arrays import in_arrays
from rational_approx.shipping.kernel_statements import used

__all__ = ["in_jax"]


def in_jax(value: Implementation, notes: list[str], name: str) -> str:
    """The code; ValueError where XLA would not give the bits of the proof."""
    if value.kernel.format == "bfloat16" and not value.kernel.scheme.flush:
        raise ValueError(
            "XLA takes subnormal numbers of float32 for zero on a CPU, and code for bfloat16 calculates with them: "
            "take an implementation with flush=True, or float16 or float32"
        )
    if value.kernel.inner == value.kernel.format:
        raise ValueError(
            f"XLA takes subnormal numbers for zero on a CPU, and code that calculates in {value.kernel.format} itself "
            "keeps them: take an implementation of float32 that calculates in float64"
        )
    if "fma" in used(value):
        raise ValueError("JAX has no fused multiply-add: take an implementation without fma=")
    return in_arrays(value, notes, name, JAX)


JAX: dict[str, str] = {
    "imports": "import jax\nimport jax.numpy as jnp\n",
    "start": "given = _{name}_read(jnp.asarray(x))",
    "decorator": "",
    "main": "@jax.custom_jvp\n",
    "end": """

@{name}.defjvp
def _{name}_slope(primals, tangents):
    # The bits of a number have no slope: without this it would be zero, without a word.
    raise NotImplementedError("{name} has values alone: give it a derivative of your own with jax.custom_jvp")
""",
    "constant": "jax.lax.optimization_barrier(jnp.REAL({}))",
    "mul": "_{name}_kept({} * {}, x)",
    "div": "{} / {}",
    "sqrt": "jnp.sqrt({})",
    "above": "jnp.where({0} < {1}, {1}, {0})",
    "below": "jnp.where({0} > {1}, {1}, {0})",
    "where": "jnp.where({}, {}, {})",
    "full": "jnp.full_like(given, {})",
    "finish_bfloat16": "_{name}_kept(y.astype(jnp.bfloat16), given)",
    "finish_float16": "_{name}_kept(y.astype(jnp.float16), given)",
    "finish_float32": "_{name}_written(y)",
    "kept": """

def _{name}_kept(v, x):
    \"\"\"v, of which the compiler does not know that it is v.\"\"\"
    kind = {{2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}}[v.dtype.itemsize]
    bits = jax.lax.bitcast_convert_type(v, kind) | (x != x).astype(kind)
    return jax.lax.bitcast_convert_type(bits, v.dtype)
""",
    "scale": """

def _{name}_scaled(v, k):
    half = (k * jnp.REAL(0.5)).astype(jnp.INTEGER)
    rest = k.astype(jnp.INTEGER) - half
    first, second = (jax.lax.bitcast_convert_type((h + BIAS) << SHIFT, jnp.REAL) for h in (half, rest))
    return _{name}_kept(_{name}_kept(v * first, v) * second, v)
""",
    "round": """

def _{name}_whole(v):
    \"\"\"The nearest integer, ties to even; large numbers are taken as they are.\"\"\"
    magic = jax.lax.optimization_barrier(jnp.REAL(MAGIC))
    return jnp.where(jnp.abs(v) < BOUND, _{name}_kept(v + magic, v) - magic, v)
""",
    "exponent": """

def _{name}_exponent(v):
    \"\"\"The k with sqrt(1/2) 2^k <= v < sqrt(2) 2^k, for a normal positive v.\"\"\"
    return ((jax.lax.bitcast_convert_type(v, jnp.INTEGER) - MIDDLE) >> SHIFT).astype(jnp.REAL)
""",
    "helper_bfloat16": """

def _{name}_read(x):
    return x.astype(jnp.float32)
""",
    "helper_float16": """

def _{name}_read(x):
    return x.astype(jnp.float32)
""",
    "helper_float32": """

def _{name}_read(x):
    \"\"\"Numbers in float64, subnormal ones by their bits, which are multiples of 2^-149.\"\"\"
    if not jax.config.jax_enable_x64:
        raise TypeError("switch jax_enable_x64 on: the code calculates in float64")
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.int32)
    size = bits & 0x7FFFFFFF
    small = size.astype(jnp.float64) * 2.0**-149
    small = jnp.where(bits < 0, -small, small)
    return jnp.where(size < 0x00800000, small, x.astype(jnp.float64))


def _{name}_written(y):
    \"\"\"The nearest float32, ties to even, subnormal ones by their bits.\"\"\"
    magic = jax.lax.optimization_barrier(jnp.float64(6755399441055744.0))
    size = jnp.abs(y)
    whole = _{name}_kept(jnp.where(size < 2.0**-126, size, 0.0) * 2.0**149 + magic, y) - magic
    sign = (jax.lax.bitcast_convert_type(y, jnp.int64) >> 32).astype(jnp.int32) & -0x80000000
    small = jax.lax.bitcast_convert_type(whole.astype(jnp.int32) | sign, jnp.float32)
    return jnp.where(size < 2.0**-126, small, _{name}_kept(y.astype(jnp.float32), y))
""",
    "note": "its bits are those of the proof on a CPU, compiled or not; other devices were not tried",
}
