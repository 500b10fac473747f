"""Claims about code: what the prover states of rounding errors and formats, and the verifier's own bound of them."""

import time
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rational_approx import Domain, Rational, Target, evaluation_error, export, fit
from rational_approx.arithmetic.floats import FORMATS, round_to
from rational_approx.arithmetic.signs import denominator_sign
from rational_approx.expressions.expression import parse
from rational_approx.programs.program import Constant, Input, program
from rational_approx.proof.claims import decide, read_claims
from rational_approx.proof.code_claims import decide_format, decide_rounding
from rational_approx.verifier import steps
from rational_approx.verifier.code import is_format_number, rounding_below, weight_on
from rational_approx.verifier.jets import Arithmetic
from rational_approx.verifier.reading import Failure, Late, read
from tests.adversaries.code_cases import Case, exact, fixed, inputs, random_case

QUESTIONS: dict[str, tuple[Any, ...]] = {
    "gelu": ("gelu", (9, 8), None),
    "relu": ("relu", (9, 8), None),
    "tanh": ("tanh(x)", (7, 6), (-8, 8)),
    "exp": ("exp(x)", (3, 3), (-2, 3)),
    "union": ("jumprelu", (5, 4), None),
}
SCHEMES = ("horner", "estrin", "clenshaw")


def confirmed(
    rational: Rational, scheme: str, dtype: str, fma: str, bound: Fraction, weight: str = "1", seconds: float = 20
) -> bool:
    """The verifier's answer, from nothing but the coefficients as they are written."""
    deadline = time.monotonic() + seconds
    hull = [rational.domain.lower, rational.domain.upper]
    sides = list(rational.numerator), list(rational.denominator)
    return rounding_below(
        *sides,
        rational.basis,
        hull,
        list(rational.domain.intervals),
        dtype,
        scheme,
        fma == "fma",
        weight_on(Arithmetic(200, deadline), read(weight)),
        bound,
        deadline,
    )


def stated(rational: Rational, scheme: str, fma: str, dtype: str = "float32", weight: str = "1") -> Fraction:
    """The bound that the prover fills in."""
    status, arguments = decide_rounding((dtype, scheme, fma), rational, parse(weight))
    assert status == "proved"
    return arguments[-1]


def measured(rational: Rational, scheme: str, fma: str = "no fma") -> Fraction:
    """The largest difference of the exported NumPy code that a search finds."""
    space: dict[str, Any] = {}
    exec(export(rational, "numpy", scheme=scheme), space)
    x = inputs(Case(rational, scheme, "float32", False), np.random.default_rng(0))
    return max(abs(Fraction(float(y)) - exact(rational, Fraction(float(v)))) for v, y in zip(x, space["rational"](x)))


@pytest.fixture(scope="module")
def rationals() -> dict[tuple[str, str], Rational]:
    made = {}
    for name, (target, degree, domain) in QUESTIONS.items():
        best = fit(target, degree, domain)
        made[name, "monomial"] = best.rational.monomial().rounded("float32")
        made[name, "chebyshev"] = best.rational.chebyshev().rounded("float32")
    return made


@pytest.mark.parametrize("fma", ["no fma", "fma"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_verifier_confirms_what_the_prover_states(rationals: Any, name: str, scheme: str, fma: str) -> None:
    rational = rationals[name, "chebyshev" if scheme == "clenshaw" else "monomial"]
    if (name, scheme) == ("relu", "clenshaw"):  # its Chebyshev series cancels: no bound in float32
        assert decide_rounding(("float32", scheme, fma), rational, parse("1"))[0] == "undecided"
        assert not confirmed(rational, scheme, "float32", fma, Fraction(1))
        return
    bound, start = stated(rational, scheme, fma), time.monotonic()
    assert confirmed(rational, scheme, "float32", fma, bound)
    assert time.monotonic() - start < 5
    assert bound < evaluation_error(rational, scheme, "float32", fma == "fma").bound * Fraction(1051, 1000)
    if fma == "no fma":
        assert not confirmed(rational, scheme, "float32", fma, measured(rational, scheme) / 2)


def test_a_bound_of_a_relative_error_and_of_another_type(rationals: Any) -> None:
    rational, weight = rationals["exp", "monomial"], "1/abs(exp(x))"
    bound = stated(rational, "horner", "no fma", "float32", weight)
    assert bound < stated(rational, "horner", "no fma") / 4
    assert confirmed(rational, "horner", "float32", "no fma", bound, weight)
    assert not confirmed(rational, "horner", "float32", "no fma", bound)
    in_double = stated(rational, "horner", "no fma", "float64", weight)
    assert confirmed(rational, "horner", "float64", "no fma", in_double, weight)
    assert not confirmed(rational, "horner", "float32", "no fma", in_double, weight)


def test_odd_even_and_sparse_polynomials_and_the_case_that_broke_the_bound() -> None:
    one, zero, third = Fraction(1), Fraction(0), Fraction(1, 3)
    domains = Domain.of((-1, 1)), Domain.of([(-2, -1), ("0.1", 3)])
    sides = [
        ((one,), (one, zero, one)),
        ((zero, one, zero, third, zero, one), (one, zero, third, zero, one)),
        ((third, zero, zero, one, zero, zero), (Fraction(100), zero, zero, zero, one)),
        ((one, one, one, one), (Fraction(4),)),
    ]
    for (top, bottom), domain, scheme, fma in (
        (pair, domain, scheme, fma)
        for pair in sides
        for domain in domains
        for scheme in SCHEMES
        for fma in ("fma", "no fma")
    ):
        rational = Rational(top, bottom, domain, "chebyshev" if scheme == "clenshaw" else "monomial")
        signs = denominator_sign(rational.polynomials[1], domain)[0]
        if all(signs):
            assert confirmed(rational, scheme, "float32", fma, stated(rational, scheme, fma))
    broken = fixed()[0].rational
    assert not confirmed(broken, "horner", "float32", "no fma", Fraction("5.961e-08"))  # which was once claimed
    assert not confirmed(broken, "horner", "float32", "no fma", measured(broken, "horner") / 2)


def test_both_implementations_take_the_same_steps() -> None:
    """Random rationals: the verifier's list of operations is the prover's, constants and order included."""
    kinds: Counter[str] = Counter()
    for index in range(300):
        case = random_case(np.random.default_rng([5, index]))
        rational, tags = case.rational, {Input: "x", Constant: "constant"}
        hull = [rational.domain.lower, rational.domain.upper]
        sides = [list(rational.numerator), list(rational.denominator)]
        found, _ = steps.written(sides, hull, case.scheme, case.fma)
        wanted = [
            (op, tuple((tags.get(type(which), "result"), *vars(which).values()) for which in names))
            for op, names in program(rational, case.scheme, case.fma).steps
        ]
        assert [(op, tuple(w if w[0] != "x" else ("x",) for w in names)) for op, names in found] == wanted
        kinds.update(op for op, _ in wanted)
    assert set(kinds) == {"add", "sub", "mul", "div", "fma"}


def test_the_verifier_confirms_the_bounds_of_random_rationals() -> None:
    undecided = 0
    for index in range(50):
        case = random_case(np.random.default_rng([11, index]))
        fma = "fma" if case.fma else "no fma"
        status, arguments = decide_rounding((case.dtype, case.scheme, fma), case.rational, parse("1"))
        if status == "proved":
            undecided += not confirmed(case.rational, case.scheme, case.dtype, fma, arguments[-1])
    assert undecided <= 1


def test_formats_of_numbers() -> None:
    for name, (bits, smallest, top) in FORMATS.items():
        last = Fraction(2) ** top - Fraction(2) ** (top - bits)
        least = Fraction(2) ** smallest
        for number in (Fraction(0), least, -3 * least, last, -last, Fraction(2**bits - 1), Fraction(1)):
            assert is_format_number(number, name)
        for number in (least / 2, 3 * least / 2, last + 1, 2 * last, Fraction(2**bits + 1), Fraction(1, 3)):
            assert not is_format_number(number, name)
    rng = np.random.default_rng(0)
    for value in rng.normal(size=300) * 2.0 ** rng.integers(-160, 130, size=300):
        for name in FORMATS:
            try:
                near = round_to(Fraction(float(value)), name)
            except ValueError:
                continue
            assert steps.rounded(Fraction(float(value)), name) == near
            assert is_format_number(near, name)
            assert is_format_number(Fraction(float(value)), name) == (near == Fraction(float(value)))
    with pytest.raises(Failure):
        is_format_number(Fraction(1), "float8")


def test_a_claim_about_the_format_is_decided_in_the_written_basis() -> None:
    short = fit("exp(x)", (3, 3), (-2, 3)).rounded("bfloat16", "chebyshev")
    for name in FORMATS:
        held = all(is_format_number(c, name) for c in short.numerator + short.denominator)
        assert decide_format((name,), short) == ("proved" if held else "refuted")
        assert held or name == "float16"
    assert decide_format(("bfloat16",), short.monomial()) == "refuted"


def test_claims_are_read_and_decided() -> None:
    given = [
        ("format", "float16"),
        ("rounding", "float32", "horner", "no-fma"),
        ("rounding", "float64", "estrin", "fma", "1e-6"),
    ]
    read_ones = read_claims(given)
    assert read_ones == [
        ("format", ("float16",)),
        ("rounding", ("float32", "horner", "no fma")),
        ("rounding", ("float64", "estrin", "fma", Fraction(1, 10**6))),
    ]
    best = fit("exp(x)", (2, 2), (-1, 1))
    rational = best.rational.monomial().rounded("float32")
    bounds = (None, None, Fraction(0))

    def status(name: str, arguments: tuple[Any, ...], target: Target = best.target) -> str:
        return decide(name, arguments, rational, target, [1], bounds).status

    assert status("format", ("float32",)) == "proved"
    assert status("format", ("float16",)) == "refuted"
    assert [status(*claim) for claim in read_ones[1:]] == ["proved", "proved"]
    assert status("rounding", ("float32", "horner", "no fma", Fraction(1, 10**9))) == "undecided"
    assert status("rounding", ("float32", "clenshaw", "no fma")) == "undecided"
    x = np.linspace(-1, 1, 33)
    assert status("rounding", ("float32", "horner", "no fma"), Target((x, np.exp(x)))) == "undecided"
    (claim,) = [decide(*read_ones[1], rational, best.target, [1], bounds)]
    assert claim.arguments[:3] == ("float32", "horner", "no fma")
    assert confirmed(rational, "horner", "float32", "no fma", claim.arguments[3])


@pytest.mark.parametrize(
    "claim",
    [
        ("format", "float8"),
        ("format",),
        ("rounding", "float16", "horner", "fma"),
        ("rounding", "float32", "newton", "fma"),
        ("rounding", "float32", "horner", "maybe"),
        ("rounding", "float32", "horner"),
        ("rounding", "float32", "horner", "fma", "x"),
    ],
)
def test_claims_of_another_form_are_refused(claim: Any) -> None:
    with pytest.raises(ValueError, match=r"not|no claim"):
        read_claims([claim])


def test_a_bound_on_other_inputs_than_the_hull_of_the_basis() -> None:
    rational = fit("exp(x)", (3, 3), (0, 4)).rounded("float32", "chebyshev")
    inner = Domain.of((0, 1))
    whole, part = (
        decide_rounding(("float32", "clenshaw", "no fma"), rational, parse("1"), domain)[1][-1]
        for domain in (None, inner)
    )
    assert part < whole / 4
    arguments = [list(rational.numerator), list(rational.denominator), "chebyshev", [Fraction(0), Fraction(4)]]
    rest = ["float32", "clenshaw", False, lambda lower, upper: Fraction(1), part, time.monotonic() + 9]
    assert rounding_below(*arguments, [(Fraction(0), Fraction(1))], *rest)  # type: ignore[arg-type]
    assert not rounding_below(*arguments, [(Fraction(0), Fraction(4))], *rest)  # type: ignore[arg-type]


def test_what_has_no_bound_is_not_confirmed() -> None:
    one = Fraction(1)
    rational = Rational((one, one), (Fraction(2), one), Domain.of((-1, 1)), "monomial")
    pole = Rational((one,), (Fraction(0), one), Domain.of((-1, 1)), "monomial")
    assert not confirmed(pole, "horner", "float32", "no fma", Fraction(10**9))
    assert not confirmed(rational, "horner", "float32", "no fma", one, "1/x")
    large = Rational((Fraction(2) ** 126, Fraction(2) ** 126), (one,), Domain.of((0, 4)), "monomial")
    assert not confirmed(large, "horner", "float32", "no fma", Fraction(2) ** 140)  # it overflows
    for wrong in (("horner", "float16"), ("newton", "float32"), ("clenshaw", "float32")):
        with pytest.raises(Failure):
            confirmed(rational, *wrong, "no fma", one)
    with pytest.raises(Late):
        confirmed(rational, "horner", "float32", "no fma", one, seconds=-1)
