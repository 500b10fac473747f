"""What a value shows of itself in a notebook: a small table that needs no style sheet, script or network."""

from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["facts", "table"]

_CELL = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top"


def facts(title: str, known: Mapping[str, object]) -> str:
    """A title and rows of a name and a value, as HTML; what is None or empty is left out.

    >>> facts("SAE", {"latents": 16, "hook": None})  # doctest: +ELLIPSIS
    '<div><strong>SAE</strong><table><tbody><tr><th ...>latents</th><td ...>16</td></tr></tbody></table></div>'
    """
    return table(title, (), [[name, value] for name, value in known.items() if value not in (None, "")])


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A title, column names (may be empty) and rows whose first cell names them, as HTML."""
    top = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<{tag} style="{_CELL}">{escape(str(cell))}</{tag}>'
            for tag, cell in zip(["th", *["td"] * len(row)], row, strict=False)
        )
        + "</tr>"
        for row in rows
    )
    top = f"<thead><tr>{top}</tr></thead>" if top else ""
    return f"<div><strong>{escape(title)}</strong><table>{top}<tbody>{body}</tbody></table></div>"
