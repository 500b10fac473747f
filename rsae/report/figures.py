"""A matplotlib figure that shows itself in a notebook: others are shown only once pyplot was imported there."""

import io

from matplotlib.figure import Figure

__all__ = ["ShownFigure"]


class ShownFigure(Figure):
    """A `matplotlib.figure.Figure`, and its picture where it is the last line of a cell."""

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
