"""Answers of a shadow are compared with those given."""

from __future__ import annotations

import struct

from modelyard.scorer.frames import JSON, Tensor
from modelyard.scorer.shadow import compare
from modelyard.wire.scorer import ShadowFigures


def floats(*values: float, tail: tuple[int, ...] = ()) -> Tensor:
    return Tensor("y", "float64", tail, struct.pack(f"<{len(values)}d", *values))


def test_numbers_labels_and_forms() -> None:
    figures = ShadowFigures()
    compare(figures, [floats(1, 2, 3)], [floats(1, 2.5, 3 + 1e-9)])
    assert (figures.compared, figures.agreed, figures.largest_difference) == (3, 2, 0.5)
    compare(figures, [floats(0, 1, 2, 3, tail=(2,))], [floats(0, 1, 2, 9, tail=(2,))])
    assert (figures.compared, figures.agreed, figures.largest_difference) == (5, 3, 6)
    labels = Tensor("y", JSON, (), ["good", "bad"])
    compare(figures, [labels], [Tensor("label", JSON, (), ["good", "good"])])
    assert (figures.compared, figures.agreed, figures.different) == (7, 4, 0)
    compare(figures, [floats(1, 2)], [floats(1, 2, tail=(2,))])
    compare(figures, [floats(1, 2)], [floats(1, 2), floats(1, 2)])
    compare(figures, [floats(1, 2)], [labels])
    assert (figures.compared, figures.agreed, figures.different) == (13, 4, 2)
    whole = Tensor("y", "int64", (), struct.pack("<2q", 1, 2))
    compare(figures, [whole], [floats(1, 2)])
    assert (figures.compared, figures.agreed) == (15, 6)
    nothing = floats(float("nan"))
    compare(figures, [nothing], [nothing])
    assert (figures.compared, figures.agreed, figures.largest_difference) == (16, 7, 6)
