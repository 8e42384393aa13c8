"""Figures of several libraries as the bytes of a file. None of them is imported here."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any

from modelyard.domain.errors import Invalid


def figure_bytes(figure: Any, name: str) -> tuple[bytes, str]:
    """(bytes, name with a suffix). Raises Invalid for what is no figure, and what the library raises."""
    suffix = PurePosixPath(name).suffix.lower().removeprefix(".")
    if isinstance(figure, bytes | bytearray):
        return bytes(figure), name
    if hasattr(figure, "savefig"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix or "png", bbox_inches="tight")
        return buffer.getvalue(), name if suffix else f"{name}.png"
    if hasattr(figure, "figure") and hasattr(figure.figure, "savefig"):
        # Axes, and the grids of seaborn.
        return figure_bytes(figure.figure, name)
    if hasattr(figure, "to_html"):
        html = figure.to_html()
        return str(html).encode(), name if suffix in ("html", "htm") else f"{name}.html"
    if hasattr(figure, "save") and hasattr(figure, "mode"):
        buffer = io.BytesIO()
        figure.save(buffer, format={"jpg": "jpeg"}.get(suffix, suffix) or "png")
        return buffer.getvalue(), name if suffix else f"{name}.png"
    raise Invalid(
        reason=f"a {type(figure).__name__} is no figure that is known here",
        fix="Give a figure of Matplotlib, Plotly or Altair, a picture of Pillow, or bytes",
    )
