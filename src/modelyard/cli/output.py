"""What a command says: tables for a person at a terminal, tab-separated lines in a pipe, or JSON.

Results go to standard output, everything else (notes, warnings, progress) to standard error.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
import msgspec

# What moves a cursor, or changes the order in which a line is shown.
_STEERING = (
    *(code for code in range(32) if chr(code) not in "\n\t"),
    *range(127, 160),
    0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2028, 0x2029, *range(0x2066, 0x206A),
)  # fmt: skip
_SHOWN = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _STEERING}
_IN_JSON = {code: f"\\u{code:04x}" for code in _STEERING if code >= 127}


def is_terminal() -> bool:
    return sys.stdout.isatty()


def colour_wanted() -> bool:
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def shown(text: str) -> str:
    """Text of many lines in which what would steer a terminal is visible, no matter who wrote it."""
    return text.replace("\r\n", "\n").translate(_SHOWN)


def clean(value: Any) -> str:
    """The same in one line."""
    return "" if value is None else shown(str(value)).replace("\n", " ").replace("\t", " ")


def width(text: str) -> int:
    """Columns on a terminal."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


class Output:
    """Where a command's results go; `as_json` is its option --json."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def json(self, value: Any) -> None:
        """One document on standard output."""
        click.echo(msgspec.json.encode(value, enc_hook=str).decode().translate(_IN_JSON))

    def lines(self, values: Iterable[Any]) -> None:
        """One document a line, for lists without an end that is known."""
        for value in values:
            self.json(value)

    def text(self, text: str) -> None:
        """A result in words."""
        click.echo(shown(text))

    def note(self, text: str) -> None:
        """Something besides the result."""
        click.echo(shown(text), err=True)

    def heading(self, text: str) -> None:
        click.echo(click.style(clean(text), bold=True) if colour_wanted() else clean(text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "") -> None:
        """In a pipe: without the heading, tab-separated, nothing cut off."""
        plain = [[clean(cell) for cell in row] for row in rows]
        if not is_terminal():
            for row in plain:
                click.echo("\t".join(row))
            return
        if not plain:
            if empty:
                self.note(empty)
            return
        for line in _laid_out(columns, plain):
            click.echo(line)

    def pairs(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Names and values below each other."""
        found = [(name, clean(value)) for name, value in rows]
        if not is_terminal():
            for name, value in found:
                click.echo(f"{name}\t{value}")
            return
        widest = max((width(name) for name, _ in found), default=0)
        for name, value in found:
            shown = name + " " * (widest - width(name))
            click.echo(f"{click.style(shown, dim=True) if colour_wanted() else shown}  {value}")

    def page(self, values: Iterable[Any], columns: Sequence[str], row: Any, empty: str = "") -> None:
        """A list, as JSON or as a table. row: from an item to its cells."""
        if self.as_json:
            self.json([*values])
        else:
            self.table(columns, (row(value) for value in values), empty)


def _laid_out(columns: Sequence[str], rows: list[list[str]]) -> Iterator[str]:
    room = shutil.get_terminal_size((100, 24)).columns
    widths = [max(width(name), *(width(row[i]) for row in rows)) for i, name in enumerate(columns)]
    # The last column takes what is left, and is cut with a sign that it was.
    left = room - sum(widths[:-1]) - 2 * (len(widths) - 1)
    widths[-1] = max(10, min(widths[-1], left))
    heading = _row([name.upper() for name in columns], widths)
    yield click.style(heading, dim=True) if colour_wanted() else heading
    for row in rows:
        yield _row(row, widths)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = []
    for cell, room in zip(cells, widths, strict=True):
        while width(cell) > room:
            cell = cell[:-2] + "…" if len(cell) > 1 else ""
        shown.append(cell + " " * (room - width(cell)))
    return "  ".join(shown).rstrip()


def key_values(pairs: Sequence[str], option: str) -> dict[str, str]:
    """`k=v` as given to an option. Raises click.BadParameter."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not of the form name=value", param_hint=option)
        found[key] = value
    return found


def without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
