"""A real PgBouncer in transaction mode in front of a PostgreSQL of the tests; from the system's packages."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import psycopg

from tests.support.postgres import PostgresServer, as_somebody, driver_url
from tests.support.services import ServiceMissing, child, log_end

_PORT = 6432
_START_SECONDS = 20


class Pooler:
    """A running PgBouncer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url_of(self, url: str) -> str:
        """The URL of a database of the PostgreSQL behind it, through the pooler."""
        query = f"host={quote(str(self._folder), safe='')}&port={_PORT}"
        return urlunsplit(urlsplit(url)._replace(query=query))


@contextmanager
def running_pgbouncer(server: PostgresServer, sessions: int) -> Iterator[Pooler]:
    """sessions: how many of PostgreSQL's its clients share; each transaction gets the one that waited longest.

    Raises ServiceMissing.
    """
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        raise ServiceMissing("no PgBouncer: apt install pgbouncer")
    host = parse_qs(urlsplit(server.admin_url).query)["host"][0]
    with tempfile.TemporaryDirectory(prefix="my-pgb-", dir="/tmp") as place:
        folder = Path(place)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={host} port=5432 user=postgres\n[pgbouncer]\n"
            f"listen_addr =\nlisten_port = {_PORT}\nunix_socket_dir = {folder}\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {sessions}\nmin_pool_size = {sessions}\nserver_round_robin = 1\nmax_client_conn = 200\n"
        )
        log = folder / "log"
        with child([*as_somebody(), program, str(folder / "pgbouncer.ini")], log, signal.SIGINT) as process:
            pooler = Pooler(folder)
            end = time.monotonic() + _START_SECONDS
            while True:
                try:
                    psycopg.connect(driver_url(pooler.url_of(server.admin_url)), connect_timeout=5).close()
                except psycopg.OperationalError as error:
                    if process.poll() is not None or time.monotonic() > end:
                        raise ServiceMissing(f"PgBouncer did not start: {log_end(log)}") from error
                    time.sleep(0.05)
                else:
                    break
            yield pooler
