"""What `pyproject.toml` cannot say: a wheel also holds the verifier as one file, built from its parts."""

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WithVerifier(BuildHookInterface):
    """Put `rational_approx/verify.pyz` into the wheel; an editable installation has the parts themselves."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self.folder = tempfile.TemporaryDirectory()
        bundle = runpy.run_path(str(Path(self.root) / "rational_approx" / "shipping" / "bundle.py"))["bundle"]
        made = bundle(Path(self.folder.name) / "verify.pyz")
        build_data["force_include"][str(made)] = "rational_approx/verify.pyz"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()
