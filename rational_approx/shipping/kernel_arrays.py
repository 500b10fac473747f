"""The code of an implementation in languages of arrays: NumPy, PyTorch and Triton."""

from math import isfinite, isinf

from rational_approx.kernels.implement import Implementation
from rational_approx.kernels.kernel import MIDDLE
from rational_approx.kernels.numbers import carrier
from rational_approx.shipping.kernel_fused import fused_words
from rational_approx.shipping.kernel_statements import (
    BITS,
    FORMS,
    HELPERS,
    called,
    constant_of,
    statements,
    used,
    with_lowers,
)

__all__ = ["NUMPY", "PYTORCH", "TRITON", "in_arrays"]


def in_arrays(value: Implementation, notes: list[str], name: str, language: dict[str, str]) -> str:
    """Every piece is calculated for all inputs, moved into its own range, and the results are chosen among."""
    kernel, words = value.kernel, _typed(language, value.kernel.inner, carrier(value.kernel.format))
    own = {op: words.get(op, FORMS[op]).replace("{name}", name) for op in ("mul", "div", "sqrt", "fma")}
    forms = called(value, {**FORMS, **own}, f"_{name}_")

    def constant(number: float) -> str:
        text = repr(number) if isfinite(number) else f'float("{number}")'
        return words["constant"].format(text)

    lines = [words["start"].replace("{name}", name)]
    chosen = False
    for lower, piece in reversed(with_lowers(value)):
        body, result = statements(piece, kernel.inner, forms, constant)
        if body and constant_of(piece, kernel.inner) is None:
            low, high = constant(lower), constant(piece.upper)
            inside = "given"
            inside = inside if isinf(lower) else words["above"].format(inside, low)
            inside = inside if isinf(piece.upper) else words["below"].format(inside, high)
            lines.append(f"x = {inside}  # {piece.about}")
            lines += [f"{a} = {b}" for a, b in body]
        fixed = constant_of(piece, kernel.inner)
        piece_result = result if fixed is None else words["full"].format(constant(fixed))
        if not body and result == "x":
            piece_result = "given"
        if chosen:
            lines.append(f"y = {words['where'].format(f'given <= {constant(piece.upper)}', piece_result, 'y')}")
        else:
            lines.append(f"y = {piece_result}")
            chosen = True
    lines.append(f"y = {words['where'].format('given == given', 'y', 'given')}")
    lines.append(f"return {words['finish_' + kernel.format].format(name=name)}")
    helpers = words.get("kept", "")
    helpers += words.get("root", "") if "sqrt" in used(value) and "_root" in own["sqrt"] else ""
    helpers += words.get("fused", "") if "fma" in used(value) else ""
    helpers += "".join(words[op] for op in HELPERS if op in used(value)) + words.get("helper_" + kernel.format, "")
    helpers = helpers.format(name=name)
    for function in kernel.functions:
        body, result = statements(function, kernel.inner, forms, constant)
        rows = [f'"""{function.about}"""', *(f"{a} = {b}" for a, b in body), f"return {result}"]
        block = "\n".join(f"    {row}" for row in rows)
        helpers += f"\n\n{words['decorator']}def _{name}_{function.name}(x):\n{block}\n"
    comment = "\n".join(f"# {line}" for line in notes + ([words["note"]] if "note" in words else []))
    indent = words.get("indent", "    ")
    block = "\n".join(f"{indent}{line}" for line in lines)
    fractions = "from fractions import Fraction\n\n" if "Fraction(" in helpers else ""
    head = f"{comment}\n{fractions}{words['imports']}\n{helpers}\n\n{words.get('main', words['decorator'])}"
    return f"{head}def {name}(x):\n{words.get('opened', '')}{block}\n{words.get('end', '').format(name=name)}"


def _typed(language: dict[str, str], inner: str, carried: str) -> dict[str, str]:
    """The words of a language for code that calculates in a format, and takes numbers of another one."""
    whole, shift, bias = BITS[inner]
    tokens = {"CARRIED": carried, "REAL": inner, "INTEGER": f"int{whole}", "BIAS": str(bias), "SHIFT": str(shift)}
    tokens |= {"MIDDLE": str(MIDDLE[inner][0]), "MAGIC": repr(1.5 * 2.0**shift), "BOUND": repr(2.0 ** (shift - 1))}

    def filled(text: str) -> str:
        for token, word in tokens.items():
            text = text.replace(token, word)
        return text

    words = {key: filled(text) for key, text in language.items()}
    return words | {op: words.get(f"{op}_{inner}", words.get(op, "")) for op in ("div", "sqrt", "fused")}


NUMPY: dict[str, str] = {
    **fused_words("np"),
    "imports": "import numpy as np\n",
    "start": "given = np.asarray(x, dtype=np.CARRIED).astype(np.REAL)",
    "opened": '    with np.errstate(all="ignore"):\n',
    "indent": "        ",
    "decorator": "",
    "constant": "np.REAL({})",
    "div": "{} / {}",
    "sqrt": "np.sqrt({})",
    "above": "np.where({0} < {1}, {1}, {0})",  # np.maximum may give either zero
    "below": "np.where({0} > {1}, {1}, {0})",
    "where": "np.where({}, {}, {})",
    "full": "np.full_like(given, {})",
    "finish_bfloat16": "_{name}_rounded(y)",
    "finish_float16": "y.astype(np.float16)",
    "finish_float32": "y.astype(np.float32)",
    "finish_float64": "y",
    "scale": """

def _{name}_scaled(v, k):
    half = (k * np.REAL(0.5)).astype(np.INTEGER)
    rest = k.astype(np.INTEGER) - half
    return v * ((half + BIAS) << SHIFT).view(np.REAL) * ((rest + BIAS) << SHIFT).view(np.REAL)
""",
    "round": """

def _{name}_whole(v):
    \"\"\"The nearest integer, ties to even; large numbers are taken as they are.\"\"\"
    return np.where(np.abs(v) < np.REAL(BOUND), (v + np.REAL(MAGIC)) - np.REAL(MAGIC), v)
""",
    "exponent": """

def _{name}_exponent(v):
    \"\"\"The k with sqrt(1/2) 2^k <= v < sqrt(2) 2^k, for a normal positive v.\"\"\"
    return ((v.view(np.INTEGER) - np.INTEGER(MIDDLE)) >> np.INTEGER(SHIFT)).astype(np.REAL)
""",
    "helper_bfloat16": """

def _{name}_rounded(v):
    \"\"\"To the nearest bfloat16, ties to even, as float32.\"\"\"
    bits = np.asarray(v).view(np.uint32)
    short = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(v == v, short.view(np.float32), v)
""",
}
PYTORCH: dict[str, str] = {
    **fused_words("torch"),
    "imports": "import torch\n",
    "start": "given = x.to(torch.CARRIED).to(torch.REAL)",
    "decorator": "",
    "constant": "{}",
    "div": "{} / {}",
    "sqrt": "_{name}_root({})",
    "sqrt_float32": "torch.sqrt({}.to(torch.float64)).to(torch.float32)",
    "above": "torch.clamp({}, min={})",
    "below": "torch.clamp({}, max={})",
    "where": "torch.where({}, {}, {})",
    "full": "torch.full_like(given, {})",
    "finish_bfloat16": "y.to(torch.bfloat16)",
    "finish_float16": "y.to(torch.float16)",
    "finish_float32": "y.to(torch.float32)",
    "finish_float64": "y",
    "scale": """

def _{name}_scaled(v, k):
    half = (k * 0.5).to(torch.INTEGER)
    rest = k.to(torch.INTEGER) - half
    return v * ((half + BIAS) << SHIFT).view(torch.REAL) * ((rest + BIAS) << SHIFT).view(torch.REAL)
""",
    "round": """

def _{name}_whole(v):
    \"\"\"The nearest integer, ties to even; large numbers are taken as they are.\"\"\"
    return torch.where(torch.abs(v) < BOUND, (v + MAGIC) - MAGIC, v)
""",
    "exponent": """

def _{name}_exponent(v):
    \"\"\"The k with sqrt(1/2) 2^k <= v < sqrt(2) 2^k, for a normal positive v.\"\"\"
    return ((v.view(torch.INTEGER) - MIDDLE) >> SHIFT).to(torch.REAL)
""",
    # On a CPU PyTorch's root may be off by one place (that of MKL), which its exact remainder shows. From float64,
    # rounded once more, it is right in float32 nevertheless: no root of a number of float32 is so near to a tie.
    "root": """

def _{name}_root(v):
    s = torch.sqrt(v)
    wide = s * 134217729.0
    high = wide - (wide - s)
    low = s - high
    square = s * s
    left = (v - square) - (((high * high - square) + high * low * 2.0) + low * low)
    up, down = (torch.nextafter(s, torch.full_like(s, end)) for end in (float("inf"), 0.0))
    near = torch.where(-left >= s * (s - down), down, s)
    return torch.where(v > 0.0, torch.where(left > s * (up - s), up, near), s)
""",
    "note": "run as it stands, operation by operation: a compiler may make one operation of a product and a sum",
}
TRITON: dict[str, str] = {
    "imports": "import triton\nimport triton.language as tl\n",
    "start": "given = x.to(tl.REAL)",
    "decorator": "@triton.jit\n",
    "constant": "tl.full((), {}, tl.REAL)",
    "div": "tl.div_rn({}, {})",
    "div_float64": "{} / {}",
    "sqrt": "tl.sqrt_rn({})",
    "fma": "tl.math.fma({}, {}, {})",
    "sqrt_float64": "tl.sqrt({})",
    "above": "tl.where({0} < {1}, {1}, {0})",
    "below": "tl.where({0} > {1}, {1}, {0})",
    "where": "tl.where({}, {}, {})",
    "full": "tl.where(given == given, {0}, {0})",
    "finish_bfloat16": "y.to(tl.bfloat16)",
    "finish_float16": "y.to(tl.float16)",
    "finish_float32": "y.to(tl.float32)",
    "finish_float64": "y",
    "scale": """

@triton.jit
def _{name}_scaled(v, k):
    half = (k * 0.5).to(tl.INTEGER)
    rest = k.to(tl.INTEGER) - half
    first = ((half + BIAS) << SHIFT).to(tl.REAL, bitcast=True)
    return v * first * ((rest + BIAS) << SHIFT).to(tl.REAL, bitcast=True)
""",
    "round": """

@triton.jit
def _{name}_whole(v):
    magic = tl.full((), MAGIC, tl.REAL)
    return tl.where(tl.abs(v) < BOUND, (v + magic) - magic, v)
""",
    "exponent": """

@triton.jit
def _{name}_exponent(v):
    return ((v.to(tl.INTEGER, bitcast=True) - MIDDLE) >> SHIFT).to(tl.REAL)
""",
    "note": "start kernels that use it with enable_fp_fusion=False: no product and sum may become one operation",
}
