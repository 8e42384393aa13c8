"""How many SQL statements the hot requests take: counted here, and written in the architecture page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.transaction import Transaction
from tests.support.door import Door, digest_of
from tests.support.registry import unique

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "architecture.md"
_OF_THE_WRITER = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT")


class Counted:
    """The statements of one request, by whom they serve."""

    def __init__(self) -> None:
        self.all: list[str] = []

    @property
    def token(self) -> int:
        return sum("FROM tokens" in sql for sql in self.all)

    @property
    def own(self) -> int:
        """Of the request itself: without the token check and without what the writer does for a batch."""
        return len(self.all) - self.token - self.batch

    @property
    def batch(self) -> int:
        return sum(
            sql.startswith(_OF_THE_WRITER)
            or "event_head" in sql
            or "event_nodes" in sql
            or "INTO events" in sql
            or "modelyard.row_notes" in sql
            for sql in self.all
        )

    def begun_for_batch(self, is_sqlite: bool) -> bool:
        """Whether the change had its savepoint, in a batch that began and locked the head of the log."""
        started = [sql.partition(" ")[0] for sql in self.all]
        begun = not is_sqlite or started.count("BEGIN") == 1
        return begun and (started.count("SAVEPOINT"), started.count("RELEASE")) == (1, 0 if is_sqlite else 1)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    run, run_many = Transaction.run, Transaction.run_many

    @contextmanager
    def count() -> Iterator[Counted]:
        counted = Counted()

        def noted(tx: Transaction, statement: Any, **parameters: Any) -> Any:
            counted.all.append(statement.prepare(tx.connection.dialect, parameters)[0])
            return run(tx, statement, **parameters)

        def noted_many(tx: Transaction, statement: Any, rows: Any) -> None:
            # One row goes through `run` on SQLite.
            if rows and not (tx.is_sqlite and len(rows) == 1):
                counted.all.append(statement.prepare(tx.connection.dialect, rows[0])[0])
            run_many(tx, statement, rows)

        def before(_c: Any, _cursor: Any, sql: str, *_: Any) -> None:
            counted.all.append(sql)

        sa.event.listen(sa.Engine, "before_cursor_execute", before)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(Transaction, "run", noted)
                patch.setattr(Transaction, "run_many", noted_many)
                yield counted
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", before)

    return count


def written() -> dict[str, int]:
    """The page's table: request → the first number of its row."""
    table = PAGE.read_text().partition("## Statements per request")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \| (\d+)\b[^|]* \|$", table, flags=re.M)
    return {name: int(number) for name, number in rows}


def test_the_page_says_what_is_counted(door: Door, model: str, counting: Callable[[], Any]) -> None:
    data = unique("bytes").encode()
    for n in range(2):
        door.register(model, data, facts={"params": {"n": n}}, aliases=["champion"] if n == 0 else [])
    known = {"digest": digest_of(data), "size_bytes": len(data)}
    entry = {"path": f"{digest_of(data)[7:15]}.bin", **known}
    versions = f"models/{model}/versions"
    requests: dict[str, tuple[str, str, Any]] = {
        "resolve a reference": ("GET", f"resolve?ref={model}@champion", None),
        "register a version of known files": (
            "POST",
            versions,
            {"files": [entry], "facts": {"params": {"n": 9}}},
        ),
        "move an alias": ("PUT", f"models/{model}/aliases/champion", {"version": 2}),
        "a page of search": ("GET", "models?q=scorer", None),
        "missing files, up to 500": ("POST", "blobs/missing", {"blobs": [known]}),
        "download of a file": ("GET", f"{versions}/1/files/{entry['path']}", None),
    }
    counted: dict[str, int] = {}
    for name, (method, path, body) in requests.items():
        door.get("whoami")
        checks = door.registry.db.revision_checks
        with counting() as found:
            answer = door.call(method, path, json=body)
        assert door.registry.db.revision_checks - checks == (0 if door.registry.db.is_sqlite else 1)
        assert answer.status_code < 300, answer.text
        counted[name] = found.own
        # The token is known until a commit may have changed it.
        assert found.token == 0
        if method != "GET":
            assert found.begun_for_batch(door.registry.db.is_sqlite)
    door.register(model, data, facts={"params": {"n": 10}})
    with counting() as found:
        door.get("whoami")
    assert found.token == 0
    door.call("PATCH", f"models/{model}", json={"description": "anything else"})
    with counting() as found:
        door.get("whoami")
    counted["token check"] = found.token
    assert counted == written()
