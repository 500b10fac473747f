"""Exported code, compiled and run: its outputs lie inside the bound that is proved and written in it."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rational_approx import certify, fit
from rational_approx.export import LANGUAGES, export

COMPILER = shutil.which("gcc") or shutil.which("cc")
POINTS = 1_000_000


@pytest.fixture(scope="module")
def gate():
    best = fit("gelu", (9, 8))
    rational = best.rational.monomial().rounded("float32")
    return best, rational, certify(rational, best.target)


def compiled(source: str, folder: Path, *flags: str):
    loop = "\nvoid all(const float *x, float *y, long n) { for (long i = 0; i < n; i++) y[i] = rational(x[i]); }\n"
    (folder / "r.c").write_text(source + loop)
    command = [COMPILER, "-O3", "-Wall", "-Werror", "-Wno-unknown-pragmas", *flags, "-shared", "-fPIC"]
    subprocess.run([*command, str(folder / "r.c"), "-o", str(folder / "r.so"), "-lm"], check=True)
    library = ctypes.CDLL(str(folder / "r.so"))

    def call(x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        pointer = ctypes.POINTER(ctypes.c_float)
        library.all(x.ctypes.data_as(pointer), y.ctypes.data_as(pointer), ctypes.c_long(x.size))
        return y

    return call


def inside(best, source: str, x: np.ndarray, y: np.ndarray) -> bool:
    total = float(re.search(r"abs\(computed - target\) <= (\S+)", source).group(1))
    assert total < 1.6 * best.error * 4.8  # naive rounding of this fit, and a rounding error below its error
    piece = best.target.pieces
    exact = np.empty(x.shape)
    for part in piece:
        here = (x >= float(part.lower)) & (x <= float(part.upper))
        exact[here] = part.function(x[here].astype(np.float64))
    return bool((np.abs(exact - y.astype(np.float64)) <= total * (1 + 1e-9)).all())


@pytest.mark.skipif(COMPILER is None, reason="no C compiler is installed")
@pytest.mark.parametrize(("language", "flags"), [("c", ()), ("c", ("-march=native",)), ("c-fma", ())])
def test_compiled_c_lies_inside_its_proved_bound_on_a_million_points(gate, tmp_path, language, flags):
    best, rational, certificate = gate
    source = export(rational, language, certificate=certificate)
    x = np.linspace(-8, 8, POINTS).astype(np.float32)
    assert inside(best, source, x, compiled(source, tmp_path, *flags)(x))


@pytest.mark.skipif(COMPILER is None, reason="no C compiler is installed")
def test_c_without_fma_numpy_and_pytorch_agree_bit_for_bit(gate, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    _, rational, _ = gate
    x = np.linspace(-8, 8, 100_001).astype(np.float32)
    answers = [compiled(export(rational, "c"), tmp_path, "-march=native")(x)]
    for language, argument in (("numpy", x), ("pytorch", torch.from_numpy(x))):
        space: dict = {}
        exec(export(rational, language), space)
        answers.append(np.asarray(space["rational"](argument)))
    assert answers[1].dtype == np.float32
    assert all((answer == answers[0]).all() for answer in answers)


def test_numpy_lies_inside_its_proved_bound(gate):
    best, rational, certificate = gate
    source = export(rational, "numpy", certificate=certificate, scheme="estrin")
    space: dict = {}
    exec(source, space)
    x = np.linspace(-8, 8, POINTS).astype(np.float32)
    assert inside(best, source, x, space["rational"](x))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_carries_the_hash(gate, language):
    _, rational, certificate = gate
    assert re.search(r"certificate: sha256:[0-9a-f]{64}", export(rational, language, certificate=certificate))


@pytest.mark.skipif(COMPILER is None, reason="no C compiler is installed")
def test_fast_math_does_not_compile(gate, tmp_path):
    (tmp_path / "r.c").write_text(export(gate[1], "c"))
    command = [COMPILER, "-ffast-math", "-c", str(tmp_path / "r.c"), "-o", str(tmp_path / "r.o")]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_what_cannot_be_exported_is_refused(gate):
    best, rational, certificate = gate
    with pytest.raises(ValueError, match="language"):
        export(rational, "fortran")
    with pytest.raises(ValueError, match="identifier"):
        export(rational, "c", name="x; system()")
    with pytest.raises(ValueError, match="another rational"):
        export(best.rational.monomial(), "c", certificate=certificate)
