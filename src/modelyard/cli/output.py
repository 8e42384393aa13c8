"""Output of a command: tables for a person at a terminal, tab-separated lines in a pipe, or JSON.

Results go to standard output, everything else (notes, warnings, progress) to standard error.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click
import msgspec

# Characters that move a cursor or change the order in which a line is shown.
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
    """Return text of many lines with the control characters made visible, no matter who wrote it."""
    return text.replace("\r\n", "\n").translate(_SHOWN)


def clean(value: Any) -> str:
    """Return the same in one line."""
    return "" if value is None else shown(str(value)).replace("\n", " ").replace("\t", " ")


def width(text: str) -> int:
    """Return how many columns the text takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


class Verbatim(str):
    """A heading that is somebody's name, which is never written in capitals."""

    __slots__ = ()


_FINE_TIME = re.compile(r"(?<=T\d\d:\d\d:\d\d)\.\d+(?=Z|[+-]\d\d:\d\d)")
_COLOURS = {"FAIL": "red", "missing": "yellow"}
_NARROWEST = 12


class Output:
    """Where a command's results go; `as_json` is its option --json."""

    def __init__(self, as_json: bool, hint_when_empty: Callable[[], str] = str) -> None:
        """hint_when_empty: why a list may be empty although the registry is not; "": no such reason."""
        self.as_json = as_json
        self._hint_when_empty = hint_when_empty

    def json(self, value: Any) -> None:
        """Print one document on standard output."""
        click.echo(msgspec.json.encode(value, enc_hook=str).decode().translate(_IN_JSON))

    def lines(self, values: Iterable[Any]) -> None:
        """Print one document per line, for lists of unknown length."""
        for value in values:
            self.json(value)

    def text(self, text: str) -> None:
        """Print a result in words."""
        click.echo(shown(text))

    def note(self, text: str) -> None:
        """Print a note in addition to the result."""
        click.echo(shown(text), err=True)

    def heading(self, text: str) -> None:
        click.echo(click.style(clean(text), bold=True) if colour_wanted() else clean(text))

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "", *, whole: bool = False
    ) -> None:
        """Print a table; in a pipe without a heading, tab-separated, with nothing cut off.

        whole: on a terminal too; a long cell goes on in the next line.
        """
        plain = [[clean(cell) for cell in row] for row in rows]
        if not is_terminal():
            for row in plain:
                click.echo("\t".join(row))
            return
        if not plain:
            if empty:
                self.note(empty)
            return
        for line in _laid_out(columns, [[_to_the_second(cell) for cell in row] for row in plain], whole):
            click.echo(line)

    def pairs(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Print names and values, one pair per line."""
        found = [(name, clean(value)) for name, value in rows]
        if not is_terminal():
            for name, value in found:
                click.echo(f"{name}\t{value}")
            return
        widest = max((width(name) for name, _ in found), default=0)
        for name, value in found:
            shown = name + " " * (widest - width(name))
            value = _to_the_second(value)
            click.echo(f"{click.style(shown, dim=True) if colour_wanted() else shown}  {value}")

    def page(self, values: Iterable[Any], columns: Sequence[str], row: Any, empty: str = "") -> None:
        """Print a list as JSON or as a table. row: from an item to its cells."""
        found = [*values]
        hint = "" if found else self._hint_when_empty()
        if hint:
            self.note(hint)
        if self.as_json:
            self.json(found)
        else:
            self.table(columns, (row(value) for value in found), "" if hint else empty)


def _to_the_second(text: str) -> str:
    """Return the text with its times as people read them; a pipe and --json keep the microseconds."""
    return _FINE_TIME.sub("", text)


def _laid_out(columns: Sequence[str], rows: list[list[str]], whole: bool) -> Iterator[str]:
    widths = _widths(columns, rows)
    names = [name if isinstance(name, Verbatim) else name.upper() for name in columns]
    heading = "\n".join(_row(names, widths, whole))
    yield click.style(heading, dim=True) if colour_wanted() else heading
    for row in rows:
        yield from _row(row, widths, whole)


def _widths(columns: Sequence[str], rows: list[list[str]]) -> list[int]:
    """Return a width for each column so that a row fits the terminal, if it has room for the narrowest columns."""
    room = shutil.get_terminal_size((100, 24)).columns - 2 * (len(columns) - 1)
    widths = [max(width(name), *(width(row[i]) for row in rows)) for i, name in enumerate(columns)]
    # The last column takes the rest of the line; then the widest of the others gives way.
    widths[-1] = max(min(widths[-1], _NARROWEST), min(widths[-1], room - sum(widths[:-1])))
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], whole: bool) -> Iterator[str]:
    """Yield the lines of one row; whole: as many as its longest cell needs, otherwise one, with a sign for each cut."""
    parts = [
        _parts(cell, room) if whole else [_cut(cell, room)] for cell, room in zip(cells, widths, strict=True)
    ]
    for number in range(max(map(len, parts))):
        line = [column[number] if number < len(column) else "" for column in parts]
        padded = [_coloured(part) + " " * (room - width(part)) for part, room in zip(line, widths, strict=True)]
        yield "  ".join(padded).rstrip()


def _coloured(text: str) -> str:
    return click.style(text, fg=_COLOURS[text]) if text in _COLOURS and colour_wanted() else text


def _cut(cell: str, room: int) -> str:
    while width(cell) > room:
        cell = cell[:-2] + "…" if len(cell) > 1 else ""
    return cell


def _parts(cell: str, room: int) -> list[str]:
    """Break a cell at its spaces; a longer word is broken where the column ends."""
    parts = [""]
    for word in cell.split(" "):
        longer = f"{parts[-1]} {word}" if parts[-1] else word
        if width(longer) <= room:
            parts[-1] = longer
            continue
        if parts[-1]:
            parts.append("")
        for char in word:
            if width(parts[-1] + char) > room:
                parts.append("")
            parts[-1] += char
    return parts


def key_values(pairs: Sequence[str], option: str) -> dict[str, str]:
    """Parse `k=v` as given to an option. Raises click.BadParameter."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not of the form name=value", param_hint=option)
        found[key] = value
    return found


def param_values(pairs: Sequence[str]) -> dict[str, bool | int | float | str]:
    """Parse the values of `--param`. Raises click.BadParameter."""
    from modelyard.domain.texts import number_or_text

    return {name: number_or_text(value) for name, value in key_values(pairs, "--param").items()}


def metric_values(pairs: Sequence[str], option: str) -> dict[str, float | str]:
    """Parse `name=number` as given to an option, split at the last `=`; non-finite numbers as in JSON.

    Raises click.BadParameter.
    """
    from modelyard.domain.record import number_to_json

    found: dict[str, float | str] = {}
    for pair in pairs:
        name, equals, text = pair.rpartition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{pair!r} is not of the form name=value", param_hint=option)
        try:
            found[name] = number_to_json(float(text))
        except ValueError:
            raise click.BadParameter(f"{pair!r}: {text!r} is not a number", param_hint=option) from None
    return found
