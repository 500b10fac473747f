"""Coefficients of a composition as other libraries read them: what the text says is what was proved."""

import ast
import re
import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from rational_approx import composite_relu, composite_sign, export

X = np.linspace(-1, 1, 101)


@pytest.fixture(scope="module", params=["sign", "relu"])
def found(request):
    return composite_sign(Fraction(1, 16), depth=6) if request.param == "sign" else composite_relu(depth=6, decimals=9)


def _value(stages, polynomial, found) -> np.ndarray:
    y = X
    for stage in stages:
        y = polynomial([float(c) for c in stage])(y)
    return y * X if found.function == "relu" else y


@pytest.mark.parametrize(
    ("language", "polynomial"), [("chebyshev", np.polynomial.Chebyshev), ("powers", np.polynomial.Polynomial)]
)
def test_plain_lists(found, language, polynomial):
    text = export(found, language, name="p")
    name, _, rows = "".join(line for line in text.splitlines() if not line.startswith("#")).partition(" = ")
    assert name == "p"
    # Powers lose digits: their coefficients are large, and of both signs.
    accurate = 1e-10 if language == "chebyshev" else 1e-6
    assert _value(ast.literal_eval(rows), polynomial, found) == pytest.approx(found(X), abs=accurate)
    exact = [[Fraction(c) for c in row.strip("[ ").split(", ")] for row in rows.split("],") if row.strip("] ")]
    assert exact == found.coefficients(language)


def test_every_digit_is_in_the_text(found):
    text = export(found, "lattigo", name="p")
    rows = [[Fraction(c) for c in re.findall(r'"([^"]*)"', line)] for line in text.splitlines() if line[:1] == "\t"]
    assert rows == found.coefficients()


def test_heir(found):
    text = export(found, "heir", name="p")
    rows = [[Fraction(c) for c in row.split(", ")] for row in re.findall(r"<\[([^]]*)\]>", text)]
    assert rows == found.coefficients()
    assert all("." in c for row in re.findall(r"<\[([^]]*)\]>", text) for c in row.split(", "))
    # Each value is used by the line that follows.
    assert re.findall(r"%x(\d+) = .*, %x(\d+) \{", text) == [(str(k + 1), str(k)) for k in range(len(rows))]


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_openfhe(found, tmp_path):
    # EvalChebyshevSeries: half of the first coefficient, and the others of T_1, T_2, ...
    main = """
    #include <cmath>
    #include <cstdio>
    int main() {
        for (int k = 0; k <= 100; k++) {
            double x = -1 + 0.02 * k, y = x;
            for (const auto& c : p) {
                double s = c[0] / 2;
                double angle = std::acos(std::fmax(-1, std::fmin(1, y)));
                for (size_t j = 1; j < c.size(); j++) s += c[j] * std::cos(j * angle);
                y = s;
            }
            std::printf("%.17g\\n", y);
        }
    }
    """
    source = tmp_path / "p.cpp"
    source.write_text(export(found, "openfhe", name="p") + main)
    subprocess.run(["g++", "-std=c++17", "-Wall", "-Werror", "-o", tmp_path / "p", source], check=True)
    out = subprocess.run([tmp_path / "p"], check=True, capture_output=True, text=True).stdout
    y = np.array([float(line) for line in out.split()])
    assert (y * X if found.function == "relu" else y) == pytest.approx(found(X), abs=1e-9)


def test_the_text_says_what_is_proved(found):
    text = export(found, "lattigo")
    assert "proved" in text
    assert "sha256:" in text
    assert all(len(line) < 4000 and line.isascii() for line in text.splitlines())


def test_refused(found):
    with pytest.raises(ValueError, match="language must be one of chebyshev"):
        export(found, "c")
    with pytest.raises(ValueError, match="its own proof"):
        export(found, "lattigo", fma=True)
