"""A row of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison. ratio None: there is nothing to divide by, `holds` says whether the target is met."""

    what: str
    ours: str
    other: str
    ratio: float | None
    target: str
    holds: bool

    def line(self) -> str:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"| {self.what} | {self.ours} | {self.other} | {ratio} | {self.target} | {'holds' if self.holds else 'falls short'} |"


def at_least(what: str, ours: float, other: float, target: float, unit: str, peer: str) -> Row:
    """More is better."""
    ratio = ours / other
    return Row(
        what, f"{ours:,.0f} {unit}", f"{other:,.0f} {unit} {peer}", ratio, f"≥ {target}", ratio >= target
    )


def faster(what: str, ours_ms: float, other_ms: float, target: float, unit: str, peer: str) -> Row:
    """Less is better; the ratio says how many times faster."""
    ratio = other_ms / ours_ms
    return Row(
        what, f"{ours_ms:,.2f} {unit}", f"{other_ms:,.2f} {unit} {peer}", ratio, f"≥ {target}", ratio >= target
    )


def at_most(what: str, ours: float, limit: float, unit: str) -> Row:
    return Row(what, f"{ours:,.2f} {unit}", "", None, f"≤ {limit} {unit}", ours <= limit)
