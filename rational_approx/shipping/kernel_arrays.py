"""The code of an implementation in languages of arrays: NumPy, PyTorch and Triton."""

from math import isinf

from rational_approx.kernels.implement import Implementation
from rational_approx.programs.program import Constant
from rational_approx.shipping.kernel_statements import FORMS, scales, statements, with_lowers

__all__ = ["NUMPY", "PYTORCH", "TRITON", "in_arrays"]


def in_arrays(value: Implementation, notes: list[str], name: str, words: dict[str, str]) -> str:
    """Every piece is calculated for all inputs, moved into its own range, and the results are chosen among."""

    def constant(number: float) -> str:
        text = f'float("{number}")' if isinf(number) else repr(number)
        return words["constant"].format(text)

    forms = {**FORMS, "div": words["div"], "scale": f"_{name}_scaled({{}}, {{}})"}
    lines = [words["start"]]
    chosen = False
    for lower, piece in reversed(with_lowers(value)):
        body, result = statements(piece, forms, constant)
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
    lines.append(f"return {words['finish_' + value.kernel.format].format(name=name)}")
    scaled = scales(value)
    helpers = (words["scaled"] if scaled else "") + words.get("helper_" + value.kernel.format, "")
    comment = "\n".join(f"# {line}" for line in notes + ([words["note"]] if "note" in words else []))
    indent = words.get("indent", "    ")
    block = "\n".join(f"{indent}{line}" for line in lines)
    opened = words.get("opened", "")
    head = f"{comment}\n{words['imports']}\n{helpers.format(name=name)}\n\n{words['decorator']}"
    return f"{head}def {name}(x):\n{opened}{block}\n"


NUMPY: dict[str, str] = {
    "imports": "import numpy as np\n",
    "start": "given = np.asarray(x, dtype=np.float32)",
    "opened": '    with np.errstate(all="ignore"):\n',
    "indent": "        ",
    "decorator": "",
    "constant": "np.float32({})",
    "div": "{} / {}",
    "above": "np.maximum({}, {})",
    "below": "np.minimum({}, {})",
    "where": "np.where({}, {}, {})",
    "full": "np.full_like(given, {})",
    "finish_bfloat16": "_{name}_rounded(y)",
    "finish_float16": "y.astype(np.float16)",
    "scaled": """

def _{name}_scaled(v, k):
    half = (k * np.float32(0.5)).astype(np.int32)
    rest = k.astype(np.int32) - half
    return v * ((half + 127) << 23).view(np.float32) * ((rest + 127) << 23).view(np.float32)
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
    "start": "given = x.to(torch.float32)",
    "decorator": "",
    "constant": "{}",
    "div": "{} / {}",
    "above": "torch.clamp({}, min={})",
    "below": "torch.clamp({}, max={})",
    "where": "torch.where({}, {}, {})",
    "full": "torch.full_like(given, {})",
    "finish_bfloat16": "y.to(torch.bfloat16)",
    "finish_float16": "y.to(torch.float16)",
    "scaled": """

def _{name}_scaled(v, k):
    half = (k * 0.5).to(torch.int32)
    rest = k.to(torch.int32) - half
    return v * ((half + 127) << 23).view(torch.float32) * ((rest + 127) << 23).view(torch.float32)
""",
    "note": "run as it stands, operation by operation: a compiler may make one operation of a product and a sum",
}
TRITON: dict[str, str] = {
    "imports": "import triton\nimport triton.language as tl\n",
    "start": "given = x.to(tl.float32)",
    "decorator": "@triton.jit\n",
    "constant": "tl.full((), {}, tl.float32)",
    "div": "tl.div_rn({}, {})",
    "above": "tl.where({0} < {1}, {1}, {0})",
    "below": "tl.where({0} > {1}, {1}, {0})",
    "where": "tl.where({}, {}, {})",
    "full": "tl.where(given == given, {0}, {0})",
    "finish_bfloat16": "y.to(tl.bfloat16)",
    "finish_float16": "y.to(tl.float16)",
    "scaled": """

@triton.jit
def _{name}_scaled(v, k):
    half = (k * 0.5).to(tl.int32)
    rest = k.to(tl.int32) - half
    first = ((half + 127) << 23).to(tl.float32, bitcast=True)
    return v * first * ((rest + 127) << 23).to(tl.float32, bitcast=True)
""",
    "note": "start kernels that use it with enable_fp_fusion=False: no product and sum may become one operation",
}
