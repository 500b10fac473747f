"""Files of code that were once verified although they are false. They are written by hand, as a stranger could."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from rational_approx.arithmetic.floats import round_to
from rational_approx.kernels.sums import sum_function
from rational_approx.shipping.documents import canonical_hash, number_text
from rational_approx.shipping.kernel_documents import _code
from rational_approx.verifier import verify
from rational_approx.verifier.reading import number
from tests.adversaries.kernels import outputs, units

LARGE = "0x1p+200"
"""A number of float64 that is infinite in float32."""


def written(expression, pieces, at, **more):
    """A file that says 1 ulp of code for float32."""
    content = {
        "schema": "rational-approx/kernel/4",
        "target": {"name": "f", "expression": expression},
        **{"format": "float32", "inner": "float64", "scheme": {"order": "horner", "fma": False, "flush": False}},
        "pieces": [dict(zip(("upper", "steps", "result"), piece), about="") for piece in pieces],
        "facts": {"inputs": 4278190080, "ulp": "1", "worst": "0", "lowest": "-inf", "highest": "inf", "at": at},
        **{"functions": [], "cuts": ["0"], "wanted": "1", "segments": 1, "status": "proved"},
    }
    return hashed(content | more)


def hashed(content):
    return content | {"hash": canonical_hash(content)}


def is_verified(content, seconds=30):
    return verify(content, seconds).outcome == "verified"


SAME = ["-inf", "-0", "0", "inf"]
X = [("inf", [], "x")]


@pytest.mark.parametrize(
    ("expression", "cuts", "true"),
    [
        # cuts make 1 the middle of an interval, where it is neither looked at nor the inside of a box
        ("where(abs(x - 1) > 0, x, 5)", ["0", "2"], False),
        ("where((x - 1)^2 > 0, x, 5)", ["0", "2"], False),
        ("where((x - 1)^2 <= 0, 5, x)", ["0", "2"], False),
        ("x * sign((x - 1)^2)", ["0", "2"], False),
        ("x * heaviside(abs(x - 1))", ["0", "2"], False),
        ("where(abs(x - 1) > 0, x, 1)", ["0", "1"], True),
        ("where((x - 1)^2 > 0, x, 1)", ["0", "1"], True),
        ("where(x - 1 > 0, x, x)", ["0", "1"], True),
        ("where(exp(x) > 1, x, min(x, 0))", ["0"], True),
        ("max(x, x - (x - 1)^2)", ["0", "2"], True),
    ],
)
def test_the_value_at_a_single_point_counts(expression, cuts, true):
    """A switch that touches zero was taken as positive there, too."""
    assert is_verified(written(expression, X, SAME, cuts=cuts), 30 if true else 1) == true


@pytest.mark.parametrize(("part", "true"), [("sin(sqrt(-x)) / x^4", False), ("sin(sqrt(x)) / x^4", True)])
def test_far_out_a_sine_of_what_has_no_value_has_none(part, true):
    """It was taken as a number between -1 and 1."""
    content = written(f"where(x > 2^100, {part}, 0)", [("inf", [], "0")], ["0"] * 4, cuts=["0", "0x1p+100"])
    assert is_verified(content) == true


@pytest.mark.parametrize(("factor", "true"), [("0x3fffffdp-25", False), ("2", True)])
def test_where_the_target_is_too_large_the_output_is_infinite(factor, true):
    """From 2^128 on units were counted twice as large: 2^128 may be calculated as the largest number then."""
    pieces = [
        ("0xffffffp+103", [["add", "x", "x"]], "v0"),
        ("0x9p+124", [["mul", "x", factor]], "v0"),
        ("inf", [], LARGE),
    ]
    assert is_verified(written("2 * x", pieces, SAME)) == true


@pytest.mark.parametrize(
    ("factor", "steps", "true"),
    [
        ("1/2", [["mul", "x", "0x1p+1000"], ["mul", "v0", "0x1p-1001"]], False),  # infinite from 2^24 on
        ("0x1p-51", [["mul", "x", "0x1p-1074"], ["mul", "v0", "0x1p+1023"]], False),  # subnormal between
        ("1", [["add", "x", "0x1p+100"], ["add", "v0", "-0x1p+100"]], False),  # 0 up to 2^46
        ("1/2", [["mul", "x", "1/2"], ["add", "v0", "0x1p-60"]], True),
        ("1/2", [["add", "x", "0x1p-60"], ["mul", "v0", "1/2"]], True),
    ],
)
def test_a_line_far_out_is_one_product_and_one_sum(factor, steps, true):
    """Of more only slope and offset counted."""
    pieces = [("1", [["mul", "x", factor]], "v0"), ("inf", steps, "v1")]
    assert is_verified(written(f"{number(factor)} * x", pieces, SAME)) == true


@pytest.mark.parametrize("inner", ["float32", "float64"])
def test_far_out_the_input_itself_is_as_far_off_as_it_is(inner):
    """In its own format two roundings were taken off, of a line without any: 1 to 2 ulp counted as none."""
    target, pieces = "where(x > 4, x * (1 + 1 / 2^23), x)", [("4", [], "x"), *X]
    assert not is_verified(written(target, pieces, SAME, cuts=["0", "4"], inner=inner))


def test_functions_have_names_of_their_own():
    function = {"name": "atan", "steps": [], "result": "x", "about": ""}
    assert not is_verified(written("x", X, SAME, functions=[function, function | {"result": "0"}]))


@pytest.mark.parametrize(
    ("expression", "last", "y", "true"),
    [
        # towards 0 from the right it falls without an end
        ("1 / (x * (x - C))", ["div", "1", "v1"], LARGE, False),
        ("1 / (x * (x - C))", ["div", "1", "v1"], "nan", True),
        ("-1 / (x * (x - C))", ["div", "-1", "v1"], "-" + LARGE, False),
        ("-1 / (x * (x - C))", ["div", "-1", "v1"], "nan", True),
    ],
)
def test_a_pole_has_the_sign_that_is_next_to_it(expression, last, y, true):
    """It was that of a number at a small distance, beyond a zero of the denominator that is nearer."""
    steps = [["add", "x", "-0x1p-140"], ["mul", "x", "v0"], last]
    pieces = [
        *(("-0x1p-149", steps, "v2"), ("0", [], y), ("0x1ffp-149", steps, "v2")),
        *(("0x1p-140", [], "nan"), ("inf", steps, "v2")),
    ]
    end = {LARGE: "inf", "-" + LARGE: "-inf"}.get(y, y)
    zero = "0" if last[1] == "1" else "-0"
    content = written(expression.replace("C", f"1 / {2**140}"), pieces, [zero, end, end, zero], cuts=["0", "0x1p-140"])
    assert is_verified(content) == true


@pytest.mark.parametrize(("y", "end", "true"), [(LARGE, "inf", True), ("-" + LARGE, "-inf", False)])
def test_a_pole_has_the_sign_of_the_branch_that_is_next_to_it(y, end, true):
    """It was that of the branch at the pole itself."""
    steps = [["div", "1", "x"], ["sqrt", "x"], ["add", "v0", "v1"]]
    pieces = [("-0x1p-149", [], "nan"), ("0", [], y), ("inf", steps, "v2")]
    content = written("where(x > 0, 1, -1) / x + sqrt(x)", pieces, ["nan", end, end, "inf"])
    assert is_verified(content) == true


@pytest.mark.parametrize("format", ["float32", "float64"])
def test_the_error_of_a_function_in_units_is_no_share_of_its_value(format):
    """It was counted as one: of a value of 1.39 times a power of two seven tenths of the error were left."""
    function = sum_function("log1p", format)
    lower, upper = Fraction(-0.2933687), Fraction(-0.2930825)
    lower, upper = (round_to(end, "float32") for end in (lower, upper))
    before = np.nextafter(np.array(lower, format), np.array(-1, format))
    pieces = [
        *((number_text(Fraction(float(before))), [], "0"), (number_text(upper), [["log1p", "x"]], "v0")),
        ("inf", [], "0"),
    ]
    expression = f"where(x >= ({lower}), where(x <= ({upper}), log1p(x), 0), 0)"
    cuts = ["0", number_text(lower), number_text(upper)]
    content = written(expression, pieces, ["0"] * 4, functions=[{"name": "log1p", **_code(function)}], cuts=cuts)
    content |= {"format": format, "inner": format}
    content["facts"] |= {"inputs": {"float32": 4278190080, "float64": 18437736874454810624}[format]}
    x = np.linspace(float(lower), float(upper), 20_000).astype(format)
    with mpmath.workprec(120):
        true = [mpmath.log1p(mpmath.mpf(float(each))) for each in x[::4]]
        y = outputs(content, x[::4].astype(float)).tolist()
        seen = max(units(a, b, format) for a, b in zip(y, true))
    assert 0.7 < seen < 0.95
    for ulp, good in ((Fraction(round(seen * 100) - 1, 100), False), (Fraction(99, 100), True)):
        content["facts"]["ulp"] = content["wanted"] = str(ulp)
        assert is_verified(hashed(content)) == good


@pytest.mark.parametrize("inner", ["float64", "float32"])
def test_a_second_code_calculates_in_a_wider_format(inner):
    """In float32 the last rounding, of which a second code has none, was left out: half a unit counted as nothing."""
    product = [("inf", [["mul", "x", "3"]], "v0")]
    first = written("3 * x", product, SAME)
    counts = {"inputs": 4278190080, "correct": 0, "faithful": 4278190080, "turns": 0, "singly": 0, "open": 0}
    counts |= {"ulp": "3/4", "worst": "0", "lowest": "-inf", "highest": "inf"}
    content = {
        **{"schema": "rational-approx/counted/1", "implementation": first, "by": "a run", "status": "proved"},
        "reference": {"inner": inner, "functions": [], "pieces": first["pieces"], "cuts": ["0"], "within": "1/1000"},
        "counts": counts,
    }
    assert is_verified(hashed(content)) == (inner == "float64")
