"""How Sphinx makes a site of these pages: `make docs`, without a network.

The pages are plain Markdown that also reads well on a code host; what only a site needs (the tree of contents, the
reference from docstrings) is in `_toc.yml`, in this file and in `reference/`.
"""

import re
from importlib.metadata import metadata
from pathlib import Path

from click import Context
from docutils.nodes import SkipNode
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx

project = "rational-sae"
author = "The rational-sae authors"
copyright = f"2026, {author}"
version = release = metadata("rational-sae")["Version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_external_toc",
]
external_toc_path = "_toc.yml"
exclude_patterns = ["examples", "inventories", "**.ipynb_checkpoints"]
suppress_warnings = [
    "myst.header",  # programs write tables under headings of the third level, wherever they stand
    "etoc.toctree",  # the toctree of an autosummary only says where its pages go; _toc.yml lists them
]

# -- pages
nb_execution_mode = "off"  # `make notebooks` runs them and keeps what they show
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
copybutton_prompt_text = ">>> "

# -- reference
default_role = "py:obj"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True
# Inventories lie in the repository, so that a build needs no network; inventories/README.md says where they are from.
_PEERS = {
    "numpy": "https://numpy.org/doc/stable",
    "python": "https://docs.python.org/3",
    "scipy": "https://docs.scipy.org/doc/scipy",
    "torch": "https://docs.pytorch.org/docs/stable",
}
intersphinx_mapping = {
    name: (address, str(Path(__file__).parent / "inventories" / f"{name}.inv")) for name, address in _PEERS.items()
}

# -- site
html_theme = "furo"
html_title = "rational-sae"
html_show_sourcelink = False
html_math_renderer = "mathml"


def _inline(writer, node) -> None:
    writer.body.append(latex2mathml.tex2mathml(node.astext()))
    raise SkipNode


def _display(writer, node) -> None:
    writer.body.append(latex2mathml.tex2mathml(node.astext(), as_block=True))
    raise SkipNode


# The address of the repository, where pyproject.toml names one: "Source, https://...".
_SOURCE = dict(entry.split(", ", 1) for entry in metadata("rational-sae").get_all("Project-URL", [])).get("Source")
_DOCS = Path(__file__).parent


def _outside(app: Sphinx, page: str, source: list[str]) -> None:
    """Links to files that are not pages of the site: to the repository if its address is known, else their text."""

    def lead(link: re.Match[str]) -> str:
        target = ((_DOCS / page).parent / link[2]).resolve()
        if target.is_relative_to(_DOCS):
            return link[0]
        return f"[{link[1]}]({_SOURCE}/blob/main/{target.relative_to(_DOCS.parent)})" if _SOURCE else link[1]

    source[0] = re.sub(r"(?<!!)\[([^\]]*)\]\((\.\./[^)#\s]*)(?:#[^)\s]*)?\)", lead, source[0])


def _words(app: Sphinx, context: Context, lines: list[str]) -> None:
    """A command line's help is text, and its asterisks are no markup."""
    lines[:] = [line if line.startswith("..") else line.replace("*", "\\*") for line in lines]


def _sections(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """What stands at the margin behind the sections of a docstring is no part of the last one."""
    ruled = [i for i, line in enumerate(lines) if re.fullmatch("-{3,}", line)]
    for i in reversed(range(min(ruled, default=len(lines)) + 1, len(lines))):
        if lines[i][:1].strip() and not lines[i - 1].strip() and i + 1 not in ruled:
            title = "Examples" if lines[i].startswith(">>>") else "Notes"
            lines[i:i] = [title, "-" * len(title)]


def setup(app: Sphinx) -> None:
    """Formulas become MathML, which browsers draw themselves: no script, no fonts, no network."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("source-read", _outside)
    app.connect("sphinx-click-process-options", _words)
    app.connect("sphinx-click-process-description", _words)
    app.connect("autodoc-process-docstring", _sections, priority=400)  # napoleon's is 500
