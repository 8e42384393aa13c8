"""Commands that need the server's code. The only file of the command line that may import it."""

from __future__ import annotations

import dataclasses
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.base import Command, Session, command
from modelyard.cli.errors import DAMAGED, OK
from modelyard.cli.output import is_terminal
from modelyard.domain.errors import ExtraMissing, Invalid, ModelyardError
from modelyard.settings import Settings, comes_in_file, load_settings

if TYPE_CHECKING:
    from modelyard.doors.services import Services

_SERVER = "modelyard-server"
"""The distribution of the server's rooms."""
_OF_SERVER = {
    _SERVER,
    "uvicorn",
    "starlette",
    "sqlalchemy",
    "alembic",
    "argon2",
    "prometheus_client",
    "httptools",
}


def need_server_extra() -> None:
    """Import a module of the server. Raises ExtraMissing when the server or its libraries are not installed.

    Raises Invalid when the server is of another release than the client, as an upgrade of one of them leaves it.
    """
    _refuse_another_release()
    try:
        import modelyard.server.serve  # noqa: F401
    except ModuleNotFoundError as exc:
        package = _SERVER if exc.name == "modelyard.server" else (exc.name or "").partition(".")[0]
        if package not in _OF_SERVER:
            raise
        raise ExtraMissing(what="running a server", package=package, extra="server") from exc


def _refuse_another_release() -> None:
    from importlib import metadata

    from modelyard import __version__

    try:
        release = metadata.version(_SERVER)
    except metadata.PackageNotFoundError:
        return  # It is missing, or runs from its source.
    if release != __version__:
        raise Invalid(
            reason=f"{_SERVER} {release} is installed next to modelyard {__version__}, and only equal releases run together",
            fix=f'Install both of one release with: pip install "modelyard[server]=={__version__}"',
        )


def _with_settings(made: Command) -> Command:
    """Add a flag for each setting, from the settings' own table."""
    flags: list[click.Parameter] = []
    for spec in dataclasses.fields(Settings):
        kind: type = type(spec.default)
        meaning, unit = spec.metadata["meaning"], spec.metadata["unit"]
        shown = (
            ""
            if spec.default == "" or spec.default is False
            else f" [{spec.default}{' ' + unit if unit else ''}]"
        )
        declared = f"--{spec.name.replace('_', '-')}"
        if kind is bool:
            declared = f"{declared}/--no-{spec.name.replace('_', '-')}"
        options: dict[str, Any] = {"help": f"{meaning}.{shown}", "default": None}
        if kind is not bool:
            # Sizes may have a unit, which load_settings reads.
            options |= {
                "type": str if unit == "bytes" else kind,
                "metavar": {int: "N", float: "X"}.get(kind, "TEXT"),
            }
        flags.append(click.Option([declared, spec.name], **options))
        if comes_in_file(spec):
            words = f"Read --{spec.name.replace('_', '-')} from this file, so that other users cannot see it."
            flags.append(
                click.Option(
                    [f"--{spec.name.replace('_', '-')}-file", f"{spec.name}_file"], metavar="FILE", help=words
                )
            )
    made.params = [*flags, *made.params]
    return made


@_with_settings
@command("serve", server=False, example="modelyard serve\nmodelyard serve --data /srv/models --port 9000")
def serve(session: Session, **flags: Any) -> int:
    """Run a registry.

    It needs no configuration: by default it uses SQLite and a folder, and listens on this machine only. Every
    option is also an environment variable MODELYARD_<NAME> and a key in modelyard.toml. The first start creates
    an owner and stores their token for the commands that you run.
    """
    need_server_extra()
    # Objects made from here on live as long as the server; run_process turns the collector on again.
    gc.disable()
    from modelyard.server.serve import serve as run_server

    return run_server(load_settings(flags), lambda services, address: _announce(session, services, address))


def _announce(session: Session, services: Services, address: str) -> None:
    """Make sure that local commands can sign in at `address`, and print the registry's address."""
    from modelyard import __version__
    from modelyard.sdk import credentials
    from modelyard.server.bootstrap import open_local_access

    url = services.public_url
    stored = credentials.load()
    known = {place: entry.token for place, entry in stored.servers.items()}
    access = open_local_access(services, address, known)
    if access is not None:
        # The same registry keeps one entry when its port changes.
        stale = [p for p, token in known.items() if token == access.token and p != address and _is_local(p)]
        was_default = stored.default in stale
        try:
            for place in stale:
                credentials.forget(place)
            credentials.save(address, access.token, access.account, make_default=access.is_new or was_default)
        except OSError as error:
            session.out.note(
                f"No token could be stored for your commands: {error.filename}: {error.strerror}. "
                f"Create one with: modelyard rescue {access.account}"
            )
    login_url = access.sign_in_url if access is not None else None
    if not session.answered({"url": url, "login_url": login_url, "release": __version__}):
        session.out.text(f"Modelyard runs at {url}")
        if login_url is not None and is_terminal():
            session.out.text(f"Sign in with a browser within ten minutes: {login_url}")
        elif access is not None:
            # Output that is not a terminal is often a journal that many people can read.
            session.out.text(f"To sign in with a browser: modelyard user link {access.account}")
        if access is not None and access.is_new and stored.default not in (None, address):
            session.out.text(f"Commands now use {address} instead of {stored.default}")
            session.out.text(f"To change back: modelyard login {stored.default}")
    sys.stdout.flush()


def data_folder_findings(data: Path) -> list[tuple[str, str, str]]:
    """Check a data folder, for `modelyard doctor --data DIR`."""
    need_server_extra()
    from modelyard.server.checkup import check_data_folder

    return check_data_folder(data)


def _is_local(url: str) -> bool:
    from urllib.parse import urlsplit

    return (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost", "::1")


def _places(made: Command) -> Command:
    """Add the flags for the places of a registry's data."""
    wanted = {"data", "database_url", "blobs_url"}
    flags = [
        click.Option(
            [f"--{spec.name.replace('_', '-')}", spec.name],
            help=f"{spec.metadata['meaning']}.",
            default=None,
            metavar="TEXT",
        )
        for spec in dataclasses.fields(Settings)
        if spec.name in wanted
    ]
    made.params = [*flags, *made.params]
    return made


@_places
@command(
    "backup",
    server=False,
    example="modelyard backup /mnt/backups/registry --data ./modelyard-data",
)
@click.argument("folder", type=click.Path(path_type=Path))
def backup(session: Session, folder: Path, **flags: Any) -> int:
    """Copy a whole registry into FOLDER while it is in use.

    Run it on the machine that holds the data. Another backup into the same folder copies only new files. The copy
    holds everything except the server's private settings; keep it as safe as the registry itself.
    Damaged files are listed, everything else is backed up, and the exit code is 7.
    """
    need_server_extra()
    from modelyard.server.backup import back_up, files_named, note_backup
    from modelyard.server.bootstrap import keys_for_backup, open_stores

    settings = load_settings(flags)
    with open_stores(settings, must_exist=True) as (db, store):
        done = back_up(db, store, folder, _step(session), keys_for_backup(settings, db))
        named = files_named(db, done.damaged) if done.damaged else []
        try:
            note_backup(db)
        except ModelyardError as error:
            session.out.note(f"The backup is complete, but /metrics does not show its age: {error.message}")
    _say_done(session, f"Backed up to {folder}", done)
    if not done.damaged:
        return OK
    session.out.note(f"{len(done.damaged)} stored files are damaged or missing, and are not in the backup:")
    for words in [*done.damaged[:20], *named]:
        session.out.note(f"  {words}")
    session.out.note("Push the same files again to repair them. To list all damage: modelyard scrub")
    return DAMAGED


@_places
@command(
    "restore",
    server=False,
    example="modelyard restore /mnt/backups/registry --data ./new-data\nmodelyard serve --data ./new-data",
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def restore(session: Session, folder: Path, **flags: Any) -> int:
    """Restore a registry from a backup in FOLDER into a new data folder, or an empty database and bucket.

    Every byte is verified. A backup of SQLite and a folder can go into PostgreSQL and S3, and the reverse.
    """
    need_server_extra()
    from modelyard.server.backup import restore as restore_backup
    from modelyard.server.bootstrap import open_stores, restore_keys

    settings = load_settings(flags)
    with open_stores(settings, must_exist=False) as (db, store):
        done = restore_backup(folder, db, store, _step(session))
        restore_keys(settings, db, folder)
    _say_done(session, f"Restored from {folder}", done)
    return 0


@_places
@command(
    "rescue",
    server=False,
    example="modelyard rescue ann --data /srv/models\n"
    "modelyard rescue ann --database-url postgresql://db/modelyard --blobs-url s3://models",
)
@click.argument("name")
def rescue(session: Session, name: str, **flags: Any) -> int:
    """Create a token for the admin NAME when no admin has one any more. It expires after a day.

    Run it on the machine that holds the data: access to the database is the only right it needs. Stop a server that
    uses a data folder first; one on PostgreSQL and S3 can keep running. The event log records that a token was created.
    """
    need_server_extra()
    from modelyard.server.bootstrap import make_rescue_token

    made = make_rescue_token(load_settings(flags), name)
    if not session.answered({"id": made.id, "token": made.secret}):
        session.out.text(made.secret)
        session.out.note(f"Token {made.id} of {name} expires after a day. Sign in with: modelyard login URL")
    return 0


def _step(session: Session) -> Callable[[str, int, int], None]:
    """Show progress on a terminal."""

    def show(what: str, done: int, of: int) -> None:
        if not session.as_json and sys.stderr.isatty():
            click.echo(f"\r{what} {done}/{of}\x1b[K", nl=False, err=True)

    return show


def _say_done(session: Session, words: str, done: Any) -> None:
    if session.answered(dataclasses.asdict(done)):
        return
    if sys.stderr.isatty():
        # End the line of the progress.
        click.echo("\r\x1b[K", nl=False, err=True)
    session.out.text(
        f"{words}: {done.rows} rows in {done.tables} tables, {done.blobs} files of {done.size_bytes} bytes "
        f"({done.copied_blobs} copied now)"
    )
