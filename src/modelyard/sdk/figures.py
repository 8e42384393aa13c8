"""Convert figures of several libraries to the bytes of a file, without importing the libraries."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any

from modelyard.domain.errors import Invalid


def figure_bytes(figure: Any, name: str) -> tuple[bytes, str]:
    """Return (bytes, name with a suffix). Raises Invalid for anything but a figure, and errors of the library."""
    suffix = PurePosixPath(name).suffix.lower().removeprefix(".")
    if isinstance(figure, bytes | bytearray):
        return bytes(figure), name
    if hasattr(figure, "savefig"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix or "png", bbox_inches="tight")
        return buffer.getvalue(), name if suffix else f"{name}.png"
    if hasattr(figure, "figure") and hasattr(figure.figure, "savefig"):
        # Axes, and seaborn's grids.
        return figure_bytes(figure.figure, name)
    if hasattr(figure, "to_html"):
        html = figure.to_html()
        return str(html).encode(), name if suffix in ("html", "htm") else f"{name}.html"
    if hasattr(figure, "save") and hasattr(figure, "mode"):
        buffer = io.BytesIO()
        figure.save(buffer, format={"jpg": "jpeg"}.get(suffix, suffix) or "png")
        return buffer.getvalue(), name if suffix else f"{name}.png"
    raise Invalid(
        reason=f"a {type(figure).__name__} is not a figure of a known library",
        fix="Give a figure of Matplotlib, Plotly or Altair, a picture of Pillow, or bytes",
    )
