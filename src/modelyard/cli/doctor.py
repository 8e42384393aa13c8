"""Find problems in a client, a server or a data folder."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from modelyard import __version__
from modelyard.cli.base import Session, command
from modelyard.cli.errors import FAILED
from modelyard.domain.errors import ModelyardError

if TYPE_CHECKING:
    from modelyard.sdk.http import Transport

OK, WARN, BAD = "ok", "warning", "bad"
Finding = tuple[str, str, str]
"""(subject, ok or warning or bad, words)"""

_LOW_SPACE_BYTES = 1 << 30
_CLOCK_SECONDS = 60


@command("doctor", example="modelyard doctor\nmodelyard doctor --data /srv/models")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False),
    help="Check this data folder instead, on the machine that holds it.",
)
def doctor(session: Session, data: str | None) -> int:
    """Check address, token, clocks, releases, cache and disk space; with --data, a server's data folder instead.

    Exit code 1 when something is bad.
    """
    if data is None:
        findings = [*_client_findings(session)]
    else:
        from modelyard.cli.admin import data_folder_findings

        findings = data_folder_findings(Path(data))
    session.out.page(
        [{"what": what, "state": state, "words": words} for what, state, words in findings],
        ("what", "state", "words"),
        lambda found: (found["what"], found["state"], found["words"]),
    )
    return FAILED if any(state == BAD for _, state, _ in findings) else 0


def _client_findings(session: Session) -> Iterator[Finding]:
    from modelyard.domain.sizes import size_words
    from modelyard.sdk import credentials
    from modelyard.sdk.cache import Cache
    from modelyard.sdk.http import Transport

    yield from _credentials_file(credentials.path())
    try:
        url, token = credentials.choose(session.server, None)
    except ModelyardError as error:
        yield "credentials", BAD, str(error)
        return
    yield from _transport_security(url)
    transport = Transport(url, token, timeout_seconds=10, patience_seconds=0)
    yield from _server(transport)
    with suppress(ModelyardError):
        cache = Cache.default()
        use = cache.use()
        words = (
            f"{cache.folder}: {use.files} files, {size_words(use.size_bytes)} of {size_words(use.cap_bytes)}"
        )
        yield "cache", OK, words
        yield _space("disk of the cache", cache.folder)


def _credentials_file(path: Path) -> Iterator[Finding]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        words = "none stored; MODELYARD_TOKEN is used" if os.environ.get("MODELYARD_TOKEN") else "none stored"
        yield "credentials", OK, words
        return
    if os.name == "posix" and mode & 0o077:
        yield "credentials", BAD, f"{path} can be read by others (mode {mode:o}); run: chmod 600 {path}"
    else:
        yield "credentials", OK, str(path)


def _transport_security(url: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme == "https":
        yield "transport", OK, "TLS"
    elif parts.hostname in ("127.0.0.1", "localhost", "::1"):
        yield "transport", OK, "this machine only"
    else:
        yield "transport", WARN, f"tokens are sent unencrypted to {parts.hostname}; use https"


def _server(transport: Transport) -> Iterator[Finding]:
    from modelyard.sdk.http import at
    from modelyard.wire.access import WhoAmI
    from modelyard.wire.operations import Health, Readiness

    try:
        asked = time.time()
        reply = transport.send("GET", "/health")
        health = transport.decode(reply, Health, "/health")
    except ModelyardError as error:
        yield "server", BAD, str(error)
        return
    yield "server", OK, transport.url
    if health.release == __version__:
        yield "release", OK, f"{__version__} on both sides"
    else:
        yield "release", WARN, f"the server has {health.release}, this client {__version__}"
    with suppress(ValueError, TypeError):
        off = parsedate_to_datetime(reply.headers.get("date", "")).timestamp() - asked
        words = f"{abs(off):.0f} s {'ahead' if off > 0 else 'behind'} on the server"
        yield "clock", OK if abs(off) < _CLOCK_SECONDS else WARN, words
    try:
        ready: Readiness = transport.call("GET", "/ready", returns=Readiness)
        yield "ready", OK, f"database {ready.database}, bytes {ready.blobs}"
    except ModelyardError as error:
        yield "ready", BAD, str(error)
    try:
        who = transport.call("GET", at("whoami"), returns=WhoAmI)
        yield "token", OK, f"stands for {who.name}"
    except ModelyardError as error:
        yield "token", BAD, str(error)


def _space(what: str, folder: Path) -> Finding:
    from modelyard.domain.sizes import size_words

    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return what, OK if free > _LOW_SPACE_BYTES else WARN, f"{size_words(free)} free"
