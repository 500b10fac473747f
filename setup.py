"""What `pyproject.toml` cannot say: a wheel also holds the verifier as one file, built from its parts."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithVerifier(build_py):
    """Build the packages, and `rational_approx/verify.pyz` beside them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            bundle = runpy.run_path(str(Path(__file__).parent / "rational_approx" / "shipping" / "bundle.py"))["bundle"]
            bundle(Path(self.build_lib) / "rational_approx" / "verify.pyz")


setup(cmdclass={"build_py": WithVerifier})
