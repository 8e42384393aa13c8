"""Figures of the usual libraries as bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from modelyard.domain.errors import Invalid
from modelyard.sdk.figures import figure_bytes
from tests.support.libraries import library


@pytest.fixture
def figure() -> Any:
    library("matplotlib").use("Agg")
    made = library("matplotlib.pyplot").figure()
    made.subplots().plot([1, 2])
    return made


def test_matplotlib_by_the_name_s_suffix(figure: Any) -> None:
    data, name = figure_bytes(figure, "plots/roc")
    assert (data[:8], name) == (b"\x89PNG\r\n\x1a\n", "plots/roc.png")
    data, name = figure_bytes(figure, "roc.svg")
    assert b"<svg" in data
    assert name == "roc.svg"
    assert figure_bytes(figure.axes[0], "axes")[1] == "axes.png"


def test_pillow() -> None:
    image = library("PIL.Image").new("RGB", (2, 2))
    assert figure_bytes(image, "a.jpg")[0][:2] == b"\xff\xd8"
    assert figure_bytes(image, "a")[1] == "a.png"


def test_what_writes_html_and_plain_bytes() -> None:
    plotly = SimpleNamespace(to_html=lambda: "<html>ü</html>")
    assert figure_bytes(plotly, "p") == ("<html>ü</html>".encode(), "p.html")
    assert figure_bytes(b"x", "p.bin") == (b"x", "p.bin")


def test_anything_else_is_refused() -> None:
    with pytest.raises(Invalid, match="a dict is not a figure"):
        figure_bytes({}, "x")
