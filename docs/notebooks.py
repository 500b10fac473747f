"""Run the notebooks of docs/tutorials again, in place, and keep what they show: `make notebooks`.

    python docs/notebooks.py [docs/tutorials/first_fit.ipynb ...]

A notebook whose cell fails stays as it was, and the run ends with 1. What is kept says nothing of the machine: no times
and no version of Python. tests/test_notebooks.py looks for folders and addresses in memory.
"""

import argparse
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
MINUTES = 20  # for one cell; the slowest trains an SAE
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def executed(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook, run from its first cell to its last in an empty folder."""
    # The kernel is another process: it finds this checkout, and not one that is installed, by its path.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=60 * MINUTES,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        return client.execute()


def kept(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What is written: cells and outputs, with nothing of the machine, and without what a cell says on stderr."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.metadata = {}
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def run(path: Path) -> str:
    """Run one notebook and write it; what went wrong, or nothing."""
    notebook = nbformat.read(path, as_version=4)
    try:
        text = nbformat.writes(kept(executed(notebook))) + "\n"
    except CellExecutionError as error:
        if error.ename == "ModuleNotFoundError":
            return f"needs a package that is not installed ({error.evalue}); the notebook stays as it was"
        return f"a cell fails with {error.ename}: {error.evalue}; the notebook stays as it was"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
    return ""


def main() -> None:
    """Run the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(TUTORIALS.glob("*.ipynb")))
    failed = 0
    for path in parser.parse_args().notebooks:
        said = run(path)
        failed += bool(said)
        print(f"{path.name}: {said or 'run again'}", flush=True)
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
