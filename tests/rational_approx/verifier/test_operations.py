"""The operations of files that nobody found by a search: what the verifier runs is what the emitted code does."""

import numpy as np
import pytest

from rational_approx import export
from rational_approx.shipping.documents import canonical_hash, from_document
from rational_approx.verifier.kernel import normal
from rational_approx.verifier.tried import Tried, finite
from tests.rational_approx.kernels.compiled import COMPILERS, outputs

STEPS = [
    # An odd negative power is halved towards zero: of a number that becomes subnormal between, the other way differs.
    [["mul", "x", "0x1p-14"], ["scale", "v0", "-9"], ["mul", "v1", "0x1p+23"]],
    [["scale", "x", "-5"], ["scale", "v0", "7"]],
    [["exponent", "x"]],  # also of negative numbers, as the integers of a processor wrap around
    [["round", "x"], ["scale", "1", "3"], ["mul", "v0", "v1"]],
    [["sqrt", "x"], ["div", "v0", "3"]],
]


@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: steps[0][0])
def test_the_verifier_runs_what_is_emitted(steps, tmp_path):
    facts = {"inputs": 65280, "ulp": "1", "worst": "0", "correct": 0, "faithful": 0, "turns": 0}
    content = {
        **{"schema": "rational-approx/kernel/4", "target": {"name": "f", "expression": "x"}},
        **{"format": "bfloat16", "inner": "float32", "scheme": {"order": "horner", "fma": False, "flush": False}},
        **{"functions": [], "cuts": [], "wanted": "1", "segments": 1, "status": "proved"},
        "pieces": [{"upper": "inf", "steps": steps, "result": f"v{len(steps) - 1}", "about": ""}],
        "facts": facts | {"lowest": "-inf", "highest": "inf", "at": ["0"] * 4},
    }
    content |= {"hash": canonical_hash(content)}
    numbers = finite("bfloat16")
    wanted = np.array(Tried(normal(content), float("inf")).run(numbers), np.float32)
    found, space = from_document(content), {}
    exec(export(found, "numpy", name="gate"), space)
    given = np.array(numbers, np.float32)
    assert np.array_equal(space["gate"](given), wanted, equal_nan=True)
    if COMPILERS:
        codes = (given.view(np.uint32) >> 16).astype(np.uint16)
        made = outputs(found, "c", codes, tmp_path, COMPILERS[0]).astype(np.uint32) << 16
        assert np.array_equal(made.view(np.float32), wanted, equal_nan=True)
