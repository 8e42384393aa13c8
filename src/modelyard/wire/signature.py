"""Signatures of versions."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, ManyItems, Mapped, Request


class Signature(Answer, kw_only=True):
    """Each entry: name, dtype, shape; null in a shape means any size. declared: given, not read from files."""

    reference: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    declared: bool


class CheckSignature(Request, kw_only=True):
    """inputs: names, dtypes and shapes of the data, without values."""

    inputs: ManyItems[Mapped[Any]]


class SignatureProblem(Answer, kw_only=True):
    column: str
    expected: str
    found: str


class SignatureCheck(Answer, kw_only=True):
    """problems: empty if the data fits."""

    reference: str
    problems: list[SignatureProblem]
