"""Every page as every role: what a role sees, and what its forms would do. Nothing that a form does is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import Conflict
from tests.support.door import Visitor


@dataclass
class Form:
    """A form of a page with one of its buttons. fields: as a browser would send them, before anything is typed."""

    action: str
    method: str
    fields: dict[str, str]
    empty: list[str]
    """Fields in which nothing is written yet."""
    button: str

    def __str__(self) -> str:
        return f"{self.method} {self.action} [{self.button}]"


class _Reader(HTMLParser):
    """Finds forms and links; controls outside a form name it by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.links: list[str] = []
        self._by_id: dict[str, dict[str, Any]] = {}
        self._open: dict[str, Any] | None = None
        self._text: dict[str, str] | None = None
        self._controls: list[tuple[dict[str, Any] | None, str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = {"attrs": given, "fields": {}, "empty": [], "buttons": []}
            self.forms.append(self._open)
            if "id" in given:
                self._by_id[given["id"]] = self._open
        elif tag == "a" and given.get("href", "").startswith("/"):
            self.links.append(given["href"])
        elif tag in ("input", "textarea", "select", "button", "option"):
            self._controls.append((self._open, tag, given))
            if tag == "textarea" or (tag == "option" and "value" not in given):
                self._text = given
                given["value"] = ""

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text["value"] += data

    def handle_endtag(self, tag: str) -> None:
        self._text = None
        if tag == "form":
            self._open = None

    def finish(self) -> list[Form]:
        chosen: tuple[dict[str, Any], str] | None = None
        for inside, tag, given in self._controls:
            form = self._by_id.get(given.get("form", ""), inside)
            name, kind = given.get("name", ""), given.get("type", "text")
            if tag == "option":
                if chosen is not None:
                    fields, of = chosen
                    if of not in fields or "selected" in given:
                        fields[of] = given.get("value", "")
                continue
            chosen = None
            if form is None or "disabled" in given:
                continue
            if tag == "button" or kind == "submit":
                if given.get("type") != "button":
                    form["buttons"].append((name, given.get("value", "")))
            elif tag == "select":
                chosen = form["fields"], name
            elif kind in ("checkbox", "radio"):
                if "checked" in given or (kind == "radio" and name not in form["fields"]):
                    form["fields"][name] = given.get("value", "on")
            else:
                form["fields"][name] = given.get("value", "").removeprefix("\n")
                if not form["fields"][name]:
                    form["empty"].append(name)
        found = []
        for form in self.forms:
            for name, value in form["buttons"] or [("", "")]:
                fields = {**form["fields"], **({name: value} if name else {})}
                method = form["attrs"].get("method", "get").upper()
                action = form["attrs"].get("action", "")
                found.append(Form(action, method, fields, form["empty"], value or name))
        return found


def read_page(html: str) -> tuple[list[Form], list[str]]:
    """Its forms, one for each button, and its links to other pages of this server."""
    reader = _Reader()
    reader.feed(html)
    return reader.finish(), reader.links


def submit(visitor: Visitor, form: Form, values: Mapping[str, str]) -> Any:
    """Send a form with what would be typed into its empty fields."""
    typed = {name: values.get(f"{form.action} {name}", values.get(name, "")) for name in form.empty}
    return visitor.post(form.action, {**form.fields, **typed})


@contextmanager
def undone_changes(monkeypatch: Any) -> Iterator[list[bool]]:
    """Undo every change after it was made; the list grows by one for each."""
    made: list[bool] = []

    def undone(fn: Callable[[Transaction], Any]) -> Callable[[Transaction], Any]:
        def change(tx: Transaction) -> Any:
            fn(tx)
            made.append(True)
            raise Conflict(reason="the test keeps no change", fix="")

        return change

    write, awrite = Database.write, Database.awrite

    def patched(own: Database, fn: Any, *args: Any, **options: Any) -> Any:
        return write(own, undone(fn), *args, **options)

    async def apatched(own: Database, fn: Any, *args: Any, **options: Any) -> Any:
        return await awrite(own, undone(fn), *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", patched)
        patch.setattr(Database, "awrite", apatched)
        yield made


def fill_path(path: str, parameters: Mapping[str, str]) -> str:
    """Raises KeyError for a parameter that has no value."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: parameters[found[1]], path)


def pattern_of(link: str) -> str:
    """The link without its numbers and names of runs, so that of many alike only the first are followed."""
    return re.sub(r"\d+|[0-9a-f]{32,}", "N", urlsplit(link).path)
