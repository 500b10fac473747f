"""The code of an implementation in languages of arrays: NumPy, PyTorch and Triton."""

from math import isinf

from rational_approx.kernels.implement import Implementation
from rational_approx.programs.program import Constant
from rational_approx.shipping.kernel_statements import BITS, FORMS, called, scales, statements, with_lowers

__all__ = ["NUMPY", "PYTORCH", "TRITON", "in_arrays"]


def in_arrays(value: Implementation, notes: list[str], name: str, language: dict[str, str]) -> str:
    """Every piece is calculated for all inputs, moved into its own range, and the results are chosen among."""
    kernel, words = value.kernel, _typed(language, value.kernel.inner)
    forms = called(value, {**FORMS, "div": words["div"]}, f"_{name}_")

    def constant(number: float) -> str:
        text = f'float("{number}")' if isinf(number) else repr(number)
        return words["constant"].format(text)

    lines = [words["start"]]
    chosen = False
    for lower, piece in reversed(with_lowers(value)):
        body, result = statements(piece, kernel.inner, forms, constant)
        if body:
            low, high = constant(lower), constant(piece.upper)
            inside = "given"
            inside = inside if isinf(lower) else words["above"].format(inside, low)
            inside = inside if isinf(piece.upper) else words["below"].format(inside, high)
            lines.append(f"x = {inside}  # {piece.about}")
            lines += [f"{a} = {b}" for a, b in body]
        piece_result = words["full"].format(result) if isinstance(piece.result, Constant) else result
        if not body and result == "x":
            piece_result = "given"
        if chosen:
            lines.append(f"y = {words['where'].format(f'given <= {constant(piece.upper)}', piece_result, 'y')}")
        else:
            lines.append(f"y = {piece_result}")
            chosen = True
    lines.append(f"y = {words['where'].format('given == given', 'y', 'given')}")
    lines.append(f"return {words['finish_' + kernel.format].format(name=name)}")
    helpers = (words["scaled"] if scales(value) else "") + words.get("helper_" + kernel.format, "")
    helpers = helpers.format(name=name)
    for function in kernel.functions:
        body, result = statements(function, kernel.inner, forms, constant)
        rows = [f'"""{function.about}"""', *(f"{a} = {b}" for a, b in body), f"return {result}"]
        block = "\n".join(f"    {row}" for row in rows)
        helpers += f"\n\n{words['decorator']}def _{name}_{function.name}(x):\n{block}\n"
    comment = "\n".join(f"# {line}" for line in notes + ([words["note"]] if "note" in words else []))
    indent = words.get("indent", "    ")
    block = "\n".join(f"{indent}{line}" for line in lines)
    head = f"{comment}\n{words['imports']}\n{helpers}\n\n{words['decorator']}"
    return f"{head}def {name}(x):\n{words.get('opened', '')}{block}\n"


def _typed(language: dict[str, str], inner: str) -> dict[str, str]:
    """The words of a language for code that calculates in a format."""
    whole, shift, bias = BITS[inner]
    tokens = {"REAL": inner, "INTEGER": f"int{whole}", "BIAS": str(bias), "SHIFT": str(shift)}

    def filled(text: str) -> str:
        for token, word in tokens.items():
            text = text.replace(token, word)
        return text

    words = {key: filled(text) for key, text in language.items()}
    return words | {"div": words.get("div_" + inner, words["div"])}


NUMPY: dict[str, str] = {
    "imports": "import numpy as np\n",
    "start": "given = np.asarray(x, dtype=np.float32).astype(np.REAL)",
    "opened": '    with np.errstate(all="ignore"):\n',
    "indent": "        ",
    "decorator": "",
    "constant": "np.REAL({})",
    "div": "{} / {}",
    "above": "np.where({0} < {1}, {1}, {0})",  # np.maximum may give either zero
    "below": "np.where({0} > {1}, {1}, {0})",
    "where": "np.where({}, {}, {})",
    "full": "np.full_like(given, {})",
    "finish_bfloat16": "_{name}_rounded(y)",
    "finish_float16": "y.astype(np.float16)",
    "finish_float32": "y.astype(np.float32)",
    "scaled": """

def _{name}_scaled(v, k):
    half = (k * np.REAL(0.5)).astype(np.INTEGER)
    rest = k.astype(np.INTEGER) - half
    return v * ((half + BIAS) << SHIFT).view(np.REAL) * ((rest + BIAS) << SHIFT).view(np.REAL)
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
    "imports": "import torch\n",
    "start": "given = x.to(torch.float32).to(torch.REAL)",
    "decorator": "",
    "constant": "{}",
    "div": "{} / {}",
    "above": "torch.clamp({}, min={})",
    "below": "torch.clamp({}, max={})",
    "where": "torch.where({}, {}, {})",
    "full": "torch.full_like(given, {})",
    "finish_bfloat16": "y.to(torch.bfloat16)",
    "finish_float16": "y.to(torch.float16)",
    "finish_float32": "y.to(torch.float32)",
    "scaled": """

def _{name}_scaled(v, k):
    half = (k * 0.5).to(torch.INTEGER)
    rest = k.to(torch.INTEGER) - half
    return v * ((half + BIAS) << SHIFT).view(torch.REAL) * ((rest + BIAS) << SHIFT).view(torch.REAL)
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
    "above": "tl.where({0} < {1}, {1}, {0})",
    "below": "tl.where({0} > {1}, {1}, {0})",
    "where": "tl.where({}, {}, {})",
    "full": "tl.where(given == given, {0}, {0})",
    "finish_bfloat16": "y.to(tl.bfloat16)",
    "finish_float16": "y.to(tl.float16)",
    "finish_float32": "y.to(tl.float32)",
    "scaled": """

@triton.jit
def _{name}_scaled(v, k):
    half = (k * 0.5).to(tl.INTEGER)
    rest = k.to(tl.INTEGER) - half
    first = ((half + BIAS) << SHIFT).to(tl.REAL, bitcast=True)
    return v * first * ((rest + BIAS) << SHIFT).to(tl.REAL, bitcast=True)
""",
    "note": "start kernels that use it with enable_fp_fusion=False: no product and sum may become one operation",
}
