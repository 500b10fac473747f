"""Exported code, compiled and run: its outputs lie inside the bounds that are proved and written in it."""

import ctypes
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rational_approx import Domain, Rational, certify, fit
from rational_approx.shipping.source_code import LANGUAGES, export

COMPILER = shutil.which("gcc") or shutil.which("cc")
POINTS = 1_000_000
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler is installed")


class Case:
    """A certified rational in powers of x with its target, and exact values: in long double, and of the target."""

    def __init__(self, best, rational: Rational) -> None:
        self.target, self.rational = best.target, rational
        self.certificate = certify(rational, best.target)
        self.known: dict[str, tuple[np.ndarray, ...]] = {}

    def exact(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """The points, the rational, the target and its weight there."""
        wide = x.astype(np.longdouble)
        sides = self.rational.numerator, self.rational.denominator
        top, bottom = (np.polynomial.polynomial.polyval(wide, np.array([float(c) for c in side])) for side in sides)
        target, weight, narrow = np.empty(x.shape), np.empty(x.shape), x.astype(np.float64)
        for part in self.target.pieces:
            here = (narrow >= float(part.lower)) & (narrow <= float(part.upper))
            target[here], weight[here] = part.function(narrow[here]), part.weight(narrow[here])
        return x, top / bottom, target, weight

    def grid(self, dtype: str) -> tuple[np.ndarray, ...]:
        if dtype not in self.known:
            lower, upper = float(self.rational.domain.lower), float(self.rational.domain.upper)
            self.known[dtype] = self.exact(np.linspace(lower, upper, POINTS).astype(dtype).clip(lower, upper))
        return self.known[dtype]

    def stays_inside(self, source: str, run, dtype: str) -> None:
        """At a million points, and at all numbers near the twenty worst: both bounds of the source."""
        rounding, total = (
            float(re.search(rf"abs\((?:.* \* )?\(?{text}\)?\) <= (\S+)", source)[1])  # type: ignore[index]
            for text in ("computed - r", "computed - target")
        )
        grid = self.grid(dtype)
        y = run(grid[0])
        assert y.dtype == dtype
        worst = grid[0][np.argpartition(np.abs(grid[1] - y), -20)[-20:]]
        steps = np.arange(-500, 501, dtype=np.int32 if dtype == "float32" else np.int64)
        near = (worst.view(steps.dtype)[:, None] + steps).view(dtype).ravel()
        near = near[(near >= float(self.rational.domain.lower)) & (near <= float(self.rational.domain.upper))]
        largest = 0.0
        for (_, value, target, weight), computed in ((grid, y), (self.exact(near), run(near))):
            largest = max(largest, float(np.abs(value - computed).max()))
            assert (weight * np.abs(target - computed.astype(np.float64))).max() <= total * (1 + 1e-9)
        assert rounding / 12 < largest <= rounding * (1 + 1e-3)  # long double leaves 1e-3 of a float64 bound


@pytest.fixture(scope="module")
def gate() -> Case:
    best = fit("gelu", (9, 8))
    return Case(best, best.rational.monomial().rounded("float32"))


def compiled(source: str, folder: Path, dtype: str = "float32", *flags: str):
    kind = "float" if dtype == "float32" else "double"
    loop = f"\nvoid all(const {kind} *x, {kind} *y, long n) {{ for (long i = 0; i < n; i++) y[i] = rational(x[i]); }}\n"
    (folder / "r.c").write_text(source + loop)
    command = [COMPILER, "-O3", "-Wall", "-Werror", "-Wno-unknown-pragmas", *flags, "-shared", "-fPIC"]
    subprocess.run([*command, str(folder / "r.c"), "-o", str(folder / "r.so"), "-lm"], check=True)
    library = ctypes.CDLL(str(folder / "r.so"))

    def call(x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        pointer = ctypes.c_void_p
        library.all(x.ctypes.data_as(pointer), y.ctypes.data_as(pointer), ctypes.c_long(x.size))
        return y

    return call


def python(source: str):
    space: dict = {}
    exec(source, space)
    return space["rational"]


@needs_compiler
@pytest.mark.parametrize(
    ("dtype", "scheme", "fma"), list(product(("float32", "float64"), ("horner", "estrin"), (False, True)))
)
def test_compiled_c_lies_inside_its_bounds_on_a_million_points(gate, tmp_path, dtype, scheme, fma):
    source = export(gate.rational, "c", certificate=gate.certificate, dtype=dtype, scheme=scheme, fma=fma)
    # The compiler may use the machine's fused operations only where the source has them.
    gate.stays_inside(source, compiled(source, tmp_path, dtype, "-march=native"), dtype)


@pytest.mark.parametrize(("dtype", "scheme"), list(product(("float32", "float64"), ("horner", "estrin"))))
def test_numpy_lies_inside_its_bounds_on_a_million_points(gate, dtype, scheme):
    source = export(gate.rational, "numpy", certificate=gate.certificate, dtype=dtype, scheme=scheme)
    gate.stays_inside(source, python(source), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pytorch_lies_inside_its_bounds_on_a_million_points(gate, dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    source = export(gate.rational, "pytorch", certificate=gate.certificate, dtype=dtype, scheme="estrin")
    gate.stays_inside(source, lambda x: python(source)(torch.from_numpy(x)).numpy(), dtype)


def test_the_total_of_a_weighted_error(tmp_path):
    best = fit("exp(x)", (3, 2), (-2, 3), weight="relative")
    case = Case(best, best.rational.monomial().rounded("float32"))
    source = export(case.rational, "numpy", certificate=case.certificate)
    assert "abs((1 / abs(exp(x))) * (computed - target)) <= " in source
    case.stays_inside(source, python(source), "float32")


@needs_compiler
def test_c_without_fma_numpy_and_pytorch_agree_bit_for_bit(gate, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = np.linspace(-8, 8, 100_001).astype(np.float32)
    answers = [compiled(export(gate.rational, "c"), tmp_path, "float32", "-march=native")(x)]
    for language, argument in (("numpy", x), ("pytorch", torch.from_numpy(x))):
        answers.append(np.asarray(python(export(gate.rational, language))(argument)))
    assert answers[1].dtype == np.float32
    assert all((answer == answers[0]).all() for answer in answers)


@needs_compiler
@pytest.mark.parametrize(("method", "accepted"), [(0, 1), (16, 1), (32, 1), (-1, 0), (1, 0), (2, 0), (64, 0)])
def test_c_accepts_every_machine_that_rounds_float_and_double_to_their_own_types(gate, tmp_path, method, accepted):
    # With -march=native gcc sets 16 where the CPU has AVX512-FP16, and nine tests failed there.
    pretended = f"#include <math.h>\n#undef FLT_EVAL_METHOD\n#define FLT_EVAL_METHOD {method}\n"
    source = export(gate.rational, "c").replace("#include <math.h>\n", pretended)
    (tmp_path / "r.c").write_text(source)
    command = [COMPILER, "-fsyntax-only", "-Wno-unknown-pragmas", str(tmp_path / "r.c")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode == 0) == bool(accepted)
    assert accepted or "rounded to their own type" in ran.stderr


OUTSIDE = np.array([-np.inf, -1e30, -8.01, -8, 0.5, 7.5, 7.9, np.inf, np.nan], dtype=np.float32)


def clamps(gate: Case, language: str, run) -> None:
    """The values beyond the domain are those at its ends, and inside nothing changes."""
    domain = Domain.of((-8, "7.9"))  # no number of float32
    rational = Rational(gate.rational.numerator, gate.rational.denominator, domain, "monomial", "float32")
    last = np.nextafter(np.float32(7.9), np.float32(0))
    inside = OUTSIDE.clip(np.float32(-8), last)
    plain = python(export(rational, "numpy"))(inside)
    computed = run(export(rational, language, clamp=True))(OUTSIDE)
    assert Fraction(float(last)) <= domain.upper < Fraction(float(np.float32(7.9)))
    assert np.array_equal(computed, plain, equal_nan=True)


@needs_compiler
def test_c_clamps(gate, tmp_path):
    clamps(gate, "c", lambda source: compiled(source, tmp_path))


def test_numpy_and_pytorch_clamp(gate):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    clamps(gate, "numpy", python)
    clamps(gate, "pytorch", lambda source: lambda x: python(source)(torch.from_numpy(x)).numpy())


@pytest.mark.peers
def test_jax_clamps(gate):
    pytest.importorskip("jax", reason="jax is not installed")
    clamps(gate, "jax", lambda source: lambda x: np.asarray(python(source)(x)))


def test_triton_code_clamps(gate, monkeypatch):
    in_place_of_triton(monkeypatch, "float32")
    clamps(gate, "triton", lambda source: lambda x: np.asarray(python(source)(x.view(Lane))))


def test_a_constant_has_the_shape_of_its_input():
    half = Rational((Fraction(1),), (Fraction(2),), Domain.of((0, 1)), "monomial")
    for x in (np.zeros(3, dtype=np.float32), np.zeros((2, 2), dtype=np.float32), np.float32(0)):
        y = python(export(half, "numpy"))(x)
        assert (y.shape, y.dtype) == (x.shape, np.float32)
        assert (y == 0.5).all()


def constant_parts() -> list[Rational]:
    # Libraries like to replace a division by, or of, a constant by the product with a rounded reciprocal.
    third, one, domain = Fraction(3), Fraction(1), Domain.of((1, 2))
    return [Rational((third,), (one, one), domain, "monomial"), Rational((one, one), (third,), domain, "monomial")]


@pytest.mark.parametrize("which", [0, 1])
def test_pytorch_divides_once_where_a_side_is_constant(which):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = np.linspace(1, 2, 10_001).astype(np.float32)
    wanted = python(export(constant_parts()[which], "numpy"))(x)
    assert (python(export(constant_parts()[which], "pytorch"))(torch.from_numpy(x)).numpy() == wanted).all()


@pytest.mark.peers
@pytest.mark.parametrize(("dtype", "scheme"), list(product(("float32", "float64"), ("horner", "estrin"))))
def test_jax_lies_inside_its_bounds_on_a_million_points(gate, dtype, scheme):
    jax = pytest.importorskip("jax", reason="jax is not installed")
    jax.config.update("jax_enable_x64", dtype == "float64")
    source = export(gate.rational, "jax", certificate=gate.certificate, dtype=dtype, scheme=scheme)
    function = python(source)
    for run in (function, jax.jit(function)):  # compiled as a whole, XLA contracts products and sums
        gate.stays_inside(source, lambda x, run=run: np.asarray(run(x)), dtype)
    if dtype == "float32":
        with pytest.raises(TypeError, match="jax_enable_x64"):
            python(export(gate.rational, "jax", dtype="float64"))(1.0)


@pytest.mark.peers
@pytest.mark.parametrize("which", [0, 1])
def test_jax_divides_once_where_a_side_is_constant(which):
    jax = pytest.importorskip("jax", reason="jax is not installed")
    x = np.linspace(1, 2, 10_001).astype(np.float32)
    wanted = python(export(constant_parts()[which], "numpy"))(x)
    assert (np.asarray(jax.jit(python(export(constant_parts()[which], "jax")))(x)) == wanted).all()


@pytest.mark.peers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_triton_lies_inside_its_bounds_and_equals_numpy(gate, dtype, tmp_path, monkeypatch):
    """In Triton's interpreter, which rounds each operation as NumPy does."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    pytest.importorskip("triton", reason="triton is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    source = export(gate.rational, "triton", certificate=gate.certificate, dtype=dtype, scheme="estrin")
    kernel = """
@triton.jit
def kernel(source, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, rational(tl.load(source + i, mask=i < n)), mask=i < n)
"""
    (tmp_path / "exported_kernel.py").write_text(source + kernel)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("exported_kernel", None)
    import exported_kernel

    def run(x: np.ndarray) -> np.ndarray:
        values, out = torch.from_numpy(x), torch.empty(len(x), dtype=getattr(torch, dtype))
        exported_kernel.kernel[(-(-len(x) // 65536),)](values, out, len(x), BLOCK=65536)
        return out.numpy()

    gate.stays_inside(source, run, dtype)
    x = np.linspace(-8, 8, 10_001).astype(dtype)
    assert (run(x) == python(export(gate.rational, "numpy", dtype=dtype, scheme="estrin"))(x)).all()


class Lane(np.ndarray):
    """An array with the one method of a Triton tensor that exported code uses."""

    def to(self, dtype):
        return self.astype(dtype)


def in_place_of_triton(monkeypatch, dtype: str) -> None:
    def fused(a, b, c):  # in float64, a product of two float32 numbers is exact
        assert dtype == "float32"
        return (np.float64(a) * b + c).astype(np.float32)

    language = SimpleNamespace(
        float32=np.float32,
        float64=np.float64,
        full=lambda shape, value, kind: np.full(shape, value, kind)[()],
        fma=fused,
        where=np.where,
        div_rn=np.divide,
    )
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(jit=lambda function: function, language=language))
    monkeypatch.setitem(sys.modules, "triton.language", language)


@pytest.mark.parametrize(("dtype", "fma"), [("float32", False), ("float32", True), ("float64", False)])
def test_the_operations_of_triton_code_without_triton(gate, monkeypatch, dtype, fma):
    in_place_of_triton(monkeypatch, dtype)
    source = export(gate.rational, "triton", certificate=gate.certificate, dtype=dtype, fma=fma)
    x = np.linspace(-8, 8, 10_001).astype(dtype)
    y = np.asarray(python(source)(x.view(Lane)))
    bound = float(re.search(r"computed - r\) <= (\S+)", source)[1])  # type: ignore[index]
    assert np.abs(gate.exact(x)[1] - y).max() <= bound * (1 + 1e-3)
    if not fma:
        assert (y == python(export(gate.rational, "numpy", dtype=dtype))(x)).all()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_carries_the_bounds_and_the_hash(gate, language):
    source = export(gate.rational, language, certificate=gate.certificate)
    assert re.search(r"certificate: sha256:[0-9a-f]{64}", source)
    assert len(re.findall(r"proved: abs\(computed - (?:r|target)\) <= [0-9.e+-]+", source)) == 2
    if language != "c":
        compile(source, "exported", "exec")


@needs_compiler
def test_fast_math_does_not_compile(gate, tmp_path):
    (tmp_path / "r.c").write_text(export(gate.rational, "c"))
    for flag in ("-ffast-math", "-Ofast", "-funsafe-math-optimizations"):
        command = [COMPILER, "-O2", flag, "-c", str(tmp_path / "r.c"), "-o", str(tmp_path / "r.o")]
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_clang_with_unsafe_optimizations_calculates_the_same(gate, tmp_path):
    """It defines no macro for them, so that the code must switch them off."""
    (tmp_path / "r.c").write_text(export(gate.rational, "c", scheme="estrin"))
    texts = []
    for flags in ([], ["-funsafe-math-optimizations"]):
        command = ["clang", "-O3", "-S", "-emit-llvm", *flags, str(tmp_path / "r.c"), "-o", "-"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        texts.append(re.findall(r"= (?:f(?:add|sub|mul|div)|call) .*", out))
    assert texts[0] == texts[1]
    assert len(texts[0]) >= 10


def test_a_domain_without_a_number_of_the_type_is_not_clamped_to():
    ends = 1 + Fraction(1, 2**30), 1 + Fraction(1, 2**29)
    with pytest.raises(ValueError, match="no number of float32"):
        export(Rational((Fraction(1),), (Fraction(2),), Domain.of(ends), "monomial"), "numpy", clamp=True)


def test_what_cannot_be_exported_is_refused(gate):
    with pytest.raises(ValueError, match="language"):
        export(gate.rational, "fortran")
    with pytest.raises(ValueError, match="identifier"):
        export(gate.rational, "c", name="x; system()")
    for taken in ("lambda", "float", "np"):
        with pytest.raises(ValueError, match="identifier of its own"):
            export(gate.rational, "c", name=taken)
    with pytest.raises(ValueError, match="fused"):
        export(gate.rational, "numpy", fma=True)
    other = Rational(gate.rational.numerator, gate.rational.denominator, Domain.of((-8, 4)), "monomial", "float32")
    with pytest.raises(ValueError, match="another rational"):
        export(other, "c", certificate=gate.certificate)
    with pytest.raises(ValueError, match="on its own"):
        export(other, "c", certificate=certify(other, gate.target))


def continued_by_lines(gate: Case, run) -> None:
    """Beyond its ends the code goes on from its own last values, with the slopes, and inside nothing changes."""
    saturated = gate.rational.saturated("linear", (gate.rational.saturated().values[1], 1))
    x = np.array([-np.inf, -1e30, -100, -8.25, -8, -1, 0.5, 8, 8.25, 100, 1e30, np.inf, np.nan], dtype=np.float32)
    computed = run(saturated)(x)
    inside = np.abs(x) <= 8
    assert (computed[inside] == python(export(gate.rational, "numpy"))(x[inside])).all()
    assert np.isnan(computed[-1])
    ends = computed[(x == -8) | (x == 8)].astype(np.float64)
    for side, end, slope in ((x < -8, 0, float(saturated.slopes[0])), (x > 8, 1, 1.0)):
        line = ends[end] + slope * (x[side].astype(np.float64) - (-8, 8)[end])
        assert np.allclose(computed[side], line, rtol=1e-6)


def test_lines_beyond_the_domain(gate, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    continued_by_lines(gate, lambda f: python(export(f, "numpy")))
    continued_by_lines(gate, lambda f: lambda x: python(export(f, "pytorch"))(torch.from_numpy(x)).numpy())
    if COMPILER is not None:
        continued_by_lines(gate, lambda f: compiled(export(f, "c"), tmp_path))


def test_a_polynomial_is_evaluated_without_a_division_and_in_powers_of_x():
    best = fit("exp(x)", (5, 0), (-1, 1))
    for rational in (best.rational, best.rounded("float32")):
        source = export(rational, "numpy")
        assert "horner, 10 operations in float32" in source
        assert "/ v" not in source
    assert "clenshaw" in export(best.rational, "numpy", scheme="clenshaw")
