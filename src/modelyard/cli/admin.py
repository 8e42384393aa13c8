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
from modelyard.domain.errors import ExtraMissing
from modelyard.settings import Settings, load_settings

if TYPE_CHECKING:
    from modelyard.doors.services import Services

_OF_SERVER = {"uvicorn", "starlette", "sqlalchemy", "alembic", "argon2", "prometheus_client", "httptools"}


def need_server_extra() -> None:
    """Raises ExtraMissing when the server's libraries are not installed."""
    try:
        import modelyard.server.serve  # noqa: F401
    except ModuleNotFoundError as exc:
        package = (exc.name or "").partition(".")[0]
        if package not in _OF_SERVER:
            raise
        raise ExtraMissing(what="running a server", package=package, extra="server") from exc


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
            options |= {"type": kind, "metavar": {int: "N", float: "X"}.get(kind, "TEXT")}
        flags.append(click.Option([declared, spec.name], **options))
    made.params = [*flags, *made.params]
    return made


@_with_settings
@command("serve", server=False, example="modelyard serve\nmodelyard serve --data /srv/models --port 9000")
def serve(session: Session, **flags: Any) -> int:
    """Run a registry.

    Needs no configuration: SQLite and a folder, on this machine only. Every option is also a variable
    MODELYARD_<NAME> and a key in modelyard.toml. The first start makes an owner and stores their token for
    the commands of this user.
    """
    need_server_extra()
    # What is made from here on lives as long as the server; run_process turns the collector on again.
    gc.disable()
    from modelyard.server.serve import serve as run_server

    return run_server(load_settings(flags), lambda services: _announce(session, services))


def _announce(session: Session, services: Services) -> None:
    """Make sure the local commands can sign in, and say where the registry is."""
    from modelyard import __version__
    from modelyard.sdk import credentials
    from modelyard.server.bootstrap import open_local_access

    url = services.public_url
    stored = credentials.load()
    known = {place: entry.token for place, entry in stored.servers.items()}
    access = open_local_access(services, known)
    if access is not None:
        # The same registry on another port than last time keeps one entry.
        stale = [p for p, token in known.items() if token == access.token and p != url and _is_local(p)]
        was_default = stored.default in stale
        for place in stale:
            credentials.forget(place)
        credentials.save(url, access.token, access.account, make_default=access.is_new or was_default)
    login_url = access.sign_in_url if access is not None else None
    if session.as_json:
        session.out.json({"url": url, "login_url": login_url, "release": __version__})
    else:
        session.out.text(f"Modelyard runs at {url}")
        if login_url is not None:
            session.out.text(f"Sign in on a browser within ten minutes: {login_url}")
        if access is not None and access.is_new and stored.default not in (None, url):
            session.out.text(f"Commands use this server from now on, and no longer {stored.default}")
    sys.stdout.flush()


def data_folder_findings(data: Path) -> list[tuple[str, str, str]]:
    """For `modelyard doctor --data`."""
    need_server_extra()
    from modelyard.server.checkup import check_data_folder

    return check_data_folder(data)


def _is_local(url: str) -> bool:
    from urllib.parse import urlsplit

    return (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost", "::1")


def _places(made: Command) -> Command:
    """Add the flags that say where a registry's data lies."""
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
    """Copy a whole registry into FOLDER, while it is being used.

    Run it where the data is. A second backup into the same folder copies only what is new. The copy holds
    everything but the server's private settings; keep it as safe as the registry itself.
    Files whose stored bytes are damaged are named, all else is backed up, and the exit code is 7.
    """
    need_server_extra()
    from modelyard.server.backup import back_up, files_named
    from modelyard.server.bootstrap import keys_for_backup, open_stores

    settings = load_settings(flags)
    with open_stores(settings, must_exist=True) as (db, store):
        done = back_up(db, store, folder, _step(session), keys_for_backup(settings, db))
        named = files_named(db, done.damaged) if done.damaged else []
    _say_done(session, f"Backed up to {folder}", done)
    if not done.damaged:
        return OK
    session.out.note(f"{len(done.damaged)} stored files are damaged or gone, and are not in the backup:")
    for words in [*done.damaged[:20], *named]:
        session.out.note(f"  {words}")
    session.out.note("Push the same files again, which heals them; modelyard scrub lists all damage.")
    return DAMAGED


@_places
@command(
    "restore",
    server=False,
    example="modelyard restore /mnt/backups/registry --data ./new-data\nmodelyard serve --data ./new-data",
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def restore(session: Session, folder: Path, **flags: Any) -> int:
    """Make a registry from a backup in FOLDER: in a new data folder, or in an empty database and bucket.

    Every byte is verified. The backup may come from SQLite and a folder and go to PostgreSQL and S3, or back.
    """
    need_server_extra()
    from modelyard.server.backup import restore as restore_backup
    from modelyard.server.bootstrap import open_stores, restore_keys

    settings = load_settings(flags)
    with open_stores(settings, must_exist=False) as (db, store):
        done = restore_backup(folder, db, store, _step(session))
        restore_keys(settings, folder)
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
    """Make a token for the admin NAME when no admin has one any more. It ends after a day.

    Run it where the data is: the person who can change the database needs no other right. A server that holds the
    data folder is stopped first; one on PostgreSQL and S3 goes on. The token is in the event log.
    """
    need_server_extra()
    from modelyard.server.bootstrap import make_rescue_token

    made = make_rescue_token(load_settings(flags), name)
    if session.as_json:
        session.out.json({"id": made.id, "token": made.secret})
    else:
        session.out.text(made.secret)
        session.out.note(f"Token {made.id} of {name} ends after a day. Sign in with: modelyard login URL")
    return 0


def _step(session: Session) -> Callable[[str, int, int], None]:
    """Shows on a terminal how far it is."""

    def show(what: str, done: int, of: int) -> None:
        if not session.as_json and sys.stderr.isatty():
            click.echo(f"\r{what} {done}/{of}  ", nl=False, err=True)

    return show


def _say_done(session: Session, words: str, done: Any) -> None:
    if session.as_json:
        session.out.json(dataclasses.asdict(done))
        return
    session.out.text(
        f"{words}: {done.rows} rows in {done.tables} tables, {done.blobs} files of {done.size_bytes} bytes "
        f"({done.copied_blobs} copied now)"
    )
