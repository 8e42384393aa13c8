"""Databases with all tables, copied from one that is made once a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from tests.support.postgres import PostgresServer


def make_tables(url: str) -> None:
    db = Database(url)
    ensure_schema(db)
    db.close()


@contextmanager
def copied_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of a copy, of the kind that the fixture's parameter names; gone at the end of the block.

    folder: for SQLite's file.
    """
    if request.param == "sqlite":
        path = folder / "own.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database(server.template("tables", make_tables))
    yield url
    server.drop_database(url)
