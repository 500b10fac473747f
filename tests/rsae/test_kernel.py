"""A notebook run by a real Jupyter kernel: what values show of themselves there, and the bars of a call that works."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from rsae.formats import save_sae
from rsae.sae.autoencoder import SparseAutoencoder
from tests.rsae.material.saes import random_weights
from tests.rsae.material.tiny import WIDTH

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
CELLS = {
    "sae": "import rsae\nsae = rsae.load_sae({sae!r})\nsae",
    "host": (
        "from tests.rsae.material.tiny import tiny_model, tiny_text, tiny_tokenizer\n"
        "host = (tiny_model('gpt2'), tiny_tokenizer())\n"
    ),
    "states": (
        "states = rsae.hidden_states(host, tiny_text(60), 'blocks.1.hook_resid_post', context_length=16)\nstates"
    ),
    "upgrade": (
        "settings = rsae.Settings(accept_mismatch=True)\ndone = rsae.upgrade(sae, states, steps=3, settings=settings)"
    ),
    "silent": "rsae.upgrade(sae, states, steps=1, settings=settings, progress=False);",
    "report": "done.report",
    "done": "done",
    "frame": "done.report.to_frame()",
    "plot": "done.report.plot()",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs of each cell, and the state of the widgets."""
    nbclient = pytest.importorskip("nbclient", exc_type=ImportError)
    nbformat = importlib.import_module("nbformat")
    folder = tmp_path_factory.mktemp("notebook")
    sae = save_sae(SparseAutoencoder(**random_weights(WIDTH, 2 * WIDTH), family="topk", k=8), folder / "sae")
    cells = [nbformat.v4.new_code_cell(code.replace("{sae!r}", repr(str(sae)))) for code in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3", resources={"metadata": {}})
    client.execute(cwd=str(folder))
    nbformat.write(notebook, folder / "ran.ipynb")
    assert Path(folder / "ran.ipynb").stat().st_size > 0
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells)}, notebook.metadata.get("widgets", {})


def html(outputs: Any) -> str:
    """The HTML of what a cell's last line shows."""
    (shown,) = (one for one in outputs if one.output_type == "execute_result")
    return str(shown.data["text/html"])


def test_values_show_themselves(ran: Any) -> None:
    outputs, _ = ran
    assert "latents (d_sae)" in html(outputs["sae"])
    assert "topk" in html(outputs["sae"])
    assert "blocks.1.hook_resid_post" in html(outputs["states"])
    assert "held out" in html(outputs["states"])
    for cell in ("report", "done"):
        shown = html(outputs[cell])
        assert "upgraded" in shown
        assert "control" in shown
        assert "data:image/svg+xml;base64," in shown
    assert "<th>teacher</th>" in html(outputs["frame"])


def test_a_plot_is_one_picture(ran: Any) -> None:
    pictures = [one for one in ran[0]["plot"] if "image/png" in one.get("data", {})]
    assert len(pictures) == 1


def test_bars_are_drawn_while_it_works_and_not_when_silenced(ran: Any) -> None:
    outputs, widgets = ran
    for cell in ("states", "upgrade"):
        assert [o.output_type for o in outputs[cell] if o.output_type == "stream"] == [], "no lines beside the bars"
        assert any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in outputs[cell])
    assert outputs["silent"] == []
    shown = str(widgets)
    for word in ("hidden states", "tokens", "upgraded", "control", "L0", "left"):
        assert word in shown
