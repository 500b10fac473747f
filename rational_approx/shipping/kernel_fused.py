"""``a b + c`` with one rounding as code of NumPy and PyTorch, which have no such operation: see `kernels.fused`."""

__all__ = ["fused_words"]

_ODD = """

def _{name}_odd(a, b):
    \"\"\"a + b in float64; where that is not exact the neighbour of odd last bit: then another rounding is right.\"\"\"
    total = a + b
    part = total - a
    error = (a - (total - part)) + (b - part)
    even = (total.view(LIBRARY.int64) & 1) == 0
    beside = LIBRARY.nextafter(total, LIBRARY.copysign(LIBRARY.full_like(error, float("inf")), error))
    return LIBRARY.where(even & (error != 0) & LIBRARY.isfinite(error), beside, total)
"""
_SINGLE = """

def _{name}_fused(a, b, c):
    \"\"\"a b + c with one rounding: the product is exact in float64.\"\"\"
    GIVEN
    return NARROW
"""
_DOUBLE = """

def _{name}_fused(a, b, c):
    \"\"\"a b + c with one rounding (Boldo & Melquiond 2008); by fractions where parts are too small or large.\"\"\"
    GIVEN
    p = a * b
    a1, b1 = (v * 134217729.0 - (v * 134217729.0 - v) for v in (a, b))
    a2, b2 = a - a1, b - b1
    rest = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
    high = c + rest
    part = high - c
    low = (c - (high - part)) + (rest - part)
    total = p + high
    part = total - p
    y = total + _{name}_odd(low, (p - (total - part)) + (high - part))
    zero, finite = (a == 0) | (b == 0), LIBRARY.isfinite(a) & LIBRARY.isfinite(b)
    y = LIBRARY.where(c == 0, p, y)
    y = LIBRARY.where(zero | ~finite, p + c, LIBRARY.where(LIBRARY.isfinite(c), y, c))
    large = (abs(a) > 2.0**990) | (abs(b) > 2.0**990) | (abs(c) > 2.0**990) | (abs(p) > 2.0**990)
    unsafe = finite & LIBRARY.isfinite(c) & ~zero & (large | (c != 0) & (abs(p) < 2.0**-900))
    if unsafe.any():
        exact = [Fraction(s) * Fraction(t) + Fraction(u) for s, t, u in zip(*(v[unsafe].tolist() for v in (a, b, c)))]
        most = Fraction(2) ** 1024 - Fraction(2) ** 970
        y[unsafe] = ARRAY([float(v) if abs(v) < most else float("inf") * (1 if v > 0 else -1) for v in exact])
    return y
"""
_GIVEN = {
    "np": "a, b, c = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (a, b, c)))",
    "torch": """device = next(v.device for v in (a, b, c) if torch.is_tensor(v))
    a, b, c = (torch.as_tensor(v, dtype=torch.float64, device=device) for v in (a, b, c))
    a, b, c = torch.broadcast_tensors(a, b, c)""",
}
_NARROW = {
    "np": "_{name}_odd(a * b, c).astype(np.float32)",
    "torch": "_{name}_odd(a * b, c).to(torch.float32)",
}
_ARRAY = {"np": "np.array", "torch": "y.new_tensor"}


def fused_words(library: str) -> dict[str, str]:
    """The operation, and its code for each of the formats in which code calculates."""

    def filled(text: str) -> str:
        words = {"GIVEN": _GIVEN, "NARROW": _NARROW, "ARRAY": _ARRAY}
        for token, each in words.items():
            text = text.replace(token, each[library])
        return text.replace("LIBRARY", library)

    return {
        "fma": "_{name}_fused({}, {}, {})",
        "fused_float32": filled(_ODD + _SINGLE),
        "fused_float64": filled(_ODD + _DOUBLE),
    }
