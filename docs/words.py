"""How many words a page has: `make words`. Pages that programs write are counted apart."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
LIMIT = 1500  # of a page that people write
CODE = re.compile(r"```.*?```|~~~.*?~~~|\$\$.*?\$\$", re.DOTALL)
TABLE = re.compile(r"^\s*\|.*$", re.MULTILINE)


def words(text: str) -> int:
    """The words of running text: without code blocks, display formulas and tables, a link as what it shows."""
    prose = TABLE.sub("", CODE.sub("", text))
    return len(re.sub(r"\]\([^)]*\)", "]", prose).split())


def text_of(page: Path) -> str:
    """The text of a page; of a notebook the cells that are prose."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


if __name__ == "__main__":
    pages = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md")), *sorted(DOCS.rglob("*.ipynb"))]
    counted = {str(page.relative_to(DOCS.parent)): text_of(page) for page in pages}
    for measured in (False, True):
        rows = {name: text for name, text in counted.items() if name.startswith("docs/measured/") == measured}
        print(f"{'measured pages' if measured else 'pages'}: words of running text, words of all")
        for name, text in sorted(rows.items(), key=lambda row: -words(row[1])):
            long = f"  above {LIMIT}" if not measured and words(text) > LIMIT else ""
            print(f"{words(text):7} {len(text.split()):7}  {name}{long}")
        print(f"{sum(map(words, rows.values())):7} {sum(len(text.split()) for text in rows.values()):7}  together\n")
