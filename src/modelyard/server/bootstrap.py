"""The one place where settings become stores, engine and doors."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import logging
import os
import re
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from modelyard import __version__
from modelyard.blobs.opening import open_store
from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.schema import HEAD, ensure_schema, stored_revision
from modelyard.domain.errors import Conflict, DatabaseUnavailable, Invalid, NotFound, TokenExpired, TokenInvalid
from modelyard.domain.names import RESERVED_ACCOUNTS
from modelyard.domain.secrets import mask
from modelyard.doors.services import Services
from modelyard.registry.access import usecases as access
from modelyard.registry.audit.proofs import latest_checkpoint
from modelyard.registry.builds.pools import WHO, read_clusters
from modelyard.registry.comments import usecases as comments
from modelyard.registry.deployments.targets import read_targets
from modelyard.registry.keyring import SECRET_FILE, Keyring, open_keyring, place_secret, secret_in_database
from modelyard.registry.oidc.rules import check_issuer, parse_domains, parse_group_map
from modelyard.registry.outgoing import Allowed, Outgoing
from modelyard.registry.schedules import firing as schedules
from modelyard.server.app import build_app
from modelyard.server.shared_figures import SharedFigures
from modelyard.settings import Settings
from modelyard.web import components
from modelyard.web.frame import page_routes
from modelyard.web.oidc import oidc_routes
from modelyard.web.signing_in import sign_in_routes
from modelyard.web.tables import TABLES
from modelyard.worker.loop import Worker, standard_chores
from modelyard.worker.runner import Runner
from modelyard.worker.works import standard_works

logger = logging.getLogger(__name__)

_LOG_LEVELS = ("debug", "info", "warning", "error")
_ACCESS_LOGS = ("none", "changes", "all")
LOCK_FILE = "modelyard.lock"


PRIVATE = (
    "modelyard.db",
    "modelyard.db-wal",
    "modelyard.db-shm",
    "modelyard.db-journal",
    SECRET_FILE,
    "blobs",
    LOCK_FILE,
)
"""Private files of a data folder."""


def close_to_others(folder: Path) -> None:
    """Remove other users' permissions on the files of a data folder. The mode of the folder itself may be deliberate,
    and is left unchanged."""
    for path in (folder / name for name in PRIVATE):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                path.chmod(mode & 0o700)


class DataFolder:
    """The folder of an embedded registry, locked by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: Any = None

    def open(self) -> None:
        """Create the folder with mode 0700 and lock it. Raises Conflict when another process holds it."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        close_to_others(self.path)
        # Stays open as long as the lock is held.
        self._lock = (self.path / LOCK_FILE).open("a+")
        try:
            import fcntl
        except ImportError:
            logger.warning("this system has no file locks: start only one server on %s", self.path)
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise Conflict(
                reason=f"another process serves {self.path}",
                fix="Use that server, or stop it first; several processes need PostgreSQL (--database-url)",
            ) from None

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def check_settings(settings: Settings) -> None:
    """Refuse settings that are unsafe or cannot work. Raises Invalid."""
    if not settings.is_loopback and not settings.behind_proxy and not (settings.tls_cert and settings.tls_key):
        raise Invalid(
            reason=f"listening on {settings.host} without TLS would send tokens unencrypted",
            fix="Give --tls-cert and --tls-key, or --behind-proxy if a proxy terminates TLS, or use --host 127.0.0.1",
        )
    if bool(settings.tls_cert) != bool(settings.tls_key):
        given, lacking = ("cert", "key") if settings.tls_cert else ("key", "cert")
        raise Invalid(reason=f"--tls-{given} is given without --tls-{lacking}", fix="Give both or neither")
    _check_public_url(settings.public_url)
    if settings.log_level.lower() not in _LOG_LEVELS:
        raise Invalid(reason=f"log_level is {settings.log_level!r}", fix=f"Use {', '.join(_LOG_LEVELS)}")
    if settings.access_log not in _ACCESS_LOGS:
        raise Invalid(reason=f"access_log is {settings.access_log!r}", fix=f"Use {', '.join(_ACCESS_LOGS)}")
    if settings.smtp_security not in ("starttls", "tls", "none"):
        raise Invalid(reason=f"smtp_security is {settings.smtp_security!r}", fix="Use starttls, tls or none")
    for name in ("local_builds", "local_network"):
        if getattr(settings, name) not in WHO:
            raise Invalid(
                reason=f"{name} is {getattr(settings, name)!r}", fix="Use admins, contributors or off"
            )
    if settings.build_slots < 0:
        raise Invalid(reason=f"build_slots is {settings.build_slots}", fix="Use 0 or more")
    if settings.build_pools:
        read_clusters(settings.build_pools, settings.public_url)
    if settings.deployment_targets:
        read_targets(settings.deployment_targets, settings.public_url)
    parse_group_map(settings.oidc_groups)
    parse_domains(settings.oidc_email_domains)
    if settings.oidc_issuer:
        check_issuer(settings.oidc_issuer)
        if not settings.oidc_client_id:
            raise Invalid(reason="oidc_issuer is set without oidc_client_id", fix="Set both")
    if settings.workers > 1 and settings.resolved_database_url().startswith("sqlite"):
        raise Invalid(
            reason="several processes cannot share SQLite",
            fix="Give --database-url postgresql://…, or use --workers 1",
        )


def _check_public_url(url: str) -> None:
    """Raises Invalid for an address that browsers and commands cannot open."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or "@" in parts.netloc or url.split() != [url]:
        raise Invalid(
            reason=f"public_url is {url[:200]!r}, which is not the address of a server",
            fix="Write it with its scheme, as users type it: https://models.example.org",
        )


def public_url(settings: Settings, port: int | None = None) -> str:
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port if port is None else port}"


def local_url(settings: Settings, port: int) -> str:
    """Return the address for commands on this machine, independent of the public address."""
    is_everywhere = settings.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    if settings.tls_cert or not (settings.is_loopback or is_everywhere):
        return public_url(settings, port)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{port}"


def check_reached(db: Database) -> None:
    """Ask a PostgreSQL server for an answer. Raises DatabaseUnavailable with the driver's reason, which no request may see
    but the operator needs, because an address or a name may be wrong."""
    if db.is_sqlite:
        return
    try:
        db.check()
    except DatabaseUnavailable as error:
        cause = error.__cause__
        reason = str(getattr(cause, "orig", None) or cause).strip().partition("\n")[0]
        raise DatabaseUnavailable.rebuild(
            f"{error.message}: {mask(reason)[:500]}",
            "Correct the database URL; an empty database must exist before the first start or a restore (createdb NAME)",
            {},
        ) from error


def open_services(settings: Settings, *, port: int | None = None) -> Services:
    """Open database and store, and migrate the schema. Raises their errors, with nothing left open."""
    check_settings(settings)
    outgoing = Outgoing(Allowed(settings.webhook_allowed_hosts))
    db = Database(
        settings.resolved_database_url(),
        threads=settings.database_threads,
        prepare_statements=settings.database_prepare,
    )
    try:
        check_reached(db)
        done = ensure_schema(db)
        if done:
            logger.info("database schema %s", done)
            comments.begin_notifications(db)
            schedules.begin_events(db)
        address = public_url(settings, port)
        keyring = _keyring(settings, db, address)
        blobs = open_store(settings.resolved_blobs_url())
    except BaseException:
        db.close()
        raise
    local = local_url(settings, settings.port if port is None else port)
    return Services(db, blobs, settings, __version__, address, keyring, outgoing, local)


@contextlib.contextmanager
def open_stores(settings: Settings, *, must_exist: bool) -> Iterator[tuple[Database, BlobStore]]:
    """Open database and bytes for a command that runs next to the server, or before its first start.

    must_exist: refuse to create a new database. Otherwise a data folder, if used, is created and locked, because
    no server may use it meanwhile. Raises NotFound, Conflict.
    """
    folder: DataFolder | None = None
    if must_exist:
        path = database_file(settings)
        if path is not None and not path.is_file():
            raise NotFound(what=f"the database {path}", fix="Name the registry's folder with --data")
    elif uses_data_folder(settings):
        folder = DataFolder(Path(settings.data))
        folder.open()
    db = Database(settings.resolved_database_url(), prepare_statements=settings.database_prepare)
    try:
        check_reached(db)
        store = open_store(settings.resolved_blobs_url())
        try:
            yield db, store
        finally:
            store.close()
    finally:
        db.close()
        if folder is not None:
            folder.close()


def _keyring(settings: Settings, db: Database, address: str) -> Keyring:
    return open_keyring(
        db,
        given=settings.secret_key,
        folder=Path(settings.data) if uses_data_folder(settings) else None,
        host=urlsplit(address).hostname or "modelyard",
        replace_lost=settings.replace_lost_key,
    )


def _secret_file(settings: Settings) -> Path | None:
    """Return the path of the server's secret, if it is a file."""
    if settings.secret_key or not uses_data_folder(settings):
        return None
    return Path(settings.data) / SECRET_FILE


def keys_for_backup(settings: Settings, db: Database) -> dict[str, bytes]:
    """Return the files that belong to the tables: the secret, unless it is a setting, without which a restored server
    would not start; and a checkpoint of the event log."""
    found: dict[str, bytes] = {}
    secret = _secret_file(settings)
    if secret is not None and secret.is_file():
        found[SECRET_FILE] = secret.read_bytes()
    elif not settings.secret_key and not uses_data_folder(settings):
        content = db.read(secret_in_database)
        if content is not None:
            found[SECRET_FILE] = content
    with db.connect_for_migration() as connection:
        is_current = stored_revision(connection) == HEAD
    if is_current and (secret is None or secret.is_file()):
        keyring = _keyring(settings, db, public_url(settings))
        found["checkpoint.txt"] = db.read(lambda tx: latest_checkpoint(tx, keyring)).note.encode()
    return found


def restore_keys(settings: Settings, db: Database, backup: Path) -> None:
    """Store the secret of a backup where a server with these settings expects it: the data folder or the database.

    With the setting `secret_key` nothing is stored. Raises Invalid for a damaged secret.
    """
    if settings.secret_key:
        return
    source = backup / SECRET_FILE
    if source.is_file():
        place_secret(db, source.read_bytes(), Path(settings.data) if uses_data_folder(settings) else None)


def database_file(settings: Settings) -> Path | None:
    """Return the file of an SQLite database; None for any other."""
    scheme, _, path = settings.resolved_database_url().partition(":///")
    return Path(path) if scheme.startswith("sqlite") else None


def uses_data_folder(settings: Settings) -> bool:
    return not (settings.database_url and settings.blobs_url)


def local_owner_name() -> str:
    """Return the name of the first owner: the system user, as far as that is a valid name."""
    with contextlib.suppress(OSError, KeyError):
        name = re.sub(r"[^a-z0-9]+", "-", getpass.getuser().lower()).strip("-")
        if name and name not in RESERVED_ACCOUNTS:
            return name
    return "owner"


def first_start(services: Services) -> tuple[str, str] | None:
    """Create the owner of a new registry: (name, token). None if it already has one."""
    name = local_owner_name()
    made = services.db.write(lambda tx: access.create_first_owner(tx, name, services.release))
    return (name, made.secret) if made is not None else None


@dataclass(frozen=True, slots=True)
class LocalAccess:
    """Local access for the user who runs the server."""

    account: str
    token: str
    is_new: bool
    """Whether the registry was just created."""
    sign_in_url: str | None
    """Sign-in link; None if the stored token is not a full sign-in and cannot create one."""


def open_local_access(services: Services, address: str, stored: Mapping[str, str]) -> LocalAccess | None:
    """Make sure that the commands of the user who runs this server can sign in.

    address: their address of the server. stored: tokens by address, as the local client holds them; a valid one is
    kept, the one of this address first. A new registry gets its owner. In an existing one the owner gets a new token
    only from a data folder of the same system user, because holding that folder is the proof. None: nothing to store.
    """
    made = first_start(services)
    if made is not None:
        return _local_access(services, made[1], is_new=True)
    ordered = sorted(stored.items(), key=lambda item: item[0] != address)
    for _, token in ordered:
        try:
            actor = services.db.read(lambda tx, token=token: access.authenticate(tx, token)).actor  # type: ignore[misc]
        except (TokenInvalid, TokenExpired):
            continue
        if actor.is_full_sign_in:
            return _local_access(services, token, is_new=False)
        if not actor.scope.is_everything or not _owns_data_folder(services.settings):
            return LocalAccess(actor.name, token, is_new=False, sign_in_url=None)
        break
    if not _owns_data_folder(services.settings):
        return None
    again = services.db.write(lambda tx: access.issue_local_token(tx, local_owner_name()))
    return None if again is None else _local_access(services, again.secret, is_new=False)


def make_rescue_token(settings: Settings, name: str) -> access.NewToken:
    """Create a token for `modelyard rescue`. Raises NotFound; Conflict while a server holds the data folder."""
    with open_stores(settings, must_exist=True) as (db, _):
        with db.connect_for_migration() as connection:
            present = stored_revision(connection)
        if present != HEAD:
            raise Conflict(
                reason=f"the database is at revision {present}, but this release needs {HEAD}",
                fix="Use the release that wrote it, or start this release's server once",
            )
        folder = DataFolder(Path(settings.data)) if uses_data_folder(settings) else None
        if folder is not None:
            # Only one process at a time writes to a data folder.
            folder.open()
        try:
            return db.write(lambda tx: access.issue_rescue_token(tx, name))
        finally:
            if folder is not None:
                folder.close()


def _local_access(services: Services, token: str, *, is_new: bool) -> LocalAccess:
    """Raises TokenInvalid or TokenExpired."""
    actor = services.db.read(lambda tx: access.authenticate(tx, token)).actor
    secret = services.db.write(lambda tx: access.make_sign_in_link(tx, actor, actor.name))
    return LocalAccess(actor.name, token, is_new, f"{services.public_url}/login?link={secret}")


def _owns_data_folder(settings: Settings) -> bool:
    if not settings.resolved_database_url().startswith("sqlite") or not hasattr(os, "getuid"):
        return False
    return Path(settings.data).stat().st_uid == os.getuid()


class Application:
    """The ASGI application of one process: doors, and the worker next to them."""

    def __init__(self, services: Services, shared: SharedFigures | None = None) -> None:
        """shared: where this process publishes its figures to the others; None: it is the only process."""
        self.services = services
        self._shared = shared
        tables = (*TABLES, components.table) if services.settings.show_components else TABLES
        routes = [*oidc_routes(services), *sign_in_routes(services), *page_routes(tables, services)]
        self._app = (
            build_app(services, routes) if shared is None else build_app(services, routes, shared.of_others)
        )
        self._workers = [Worker(services, chores) for chores in standard_chores()]
        self._runner = Runner(services.db, standard_works(services), services.run_figures)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        await self._app(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        for worker in self._workers:
            worker.start()
        self._runner.start()
        told = (
            asyncio.create_task(self._shared.publish(self._app.metrics.own))
            if self._shared is not None
            else None
        )
        try:
            yield
        finally:
            if told is not None:
                told.cancel()
            # In a thread: otherwise a change whose commit waits for this loop would block the last ones of jobs.
            await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.ask_to_stop()
        self._runner.stop()
        for worker in self._workers:
            worker.stop()
