"""Find the server's secret at its start, or make it at the first start."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from pathlib import Path

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import SYSTEM
from modelyard.domain.checkpoint import LogKey, is_origin
from modelyard.domain.errors import Conflict, Invalid
from modelyard.domain.events import LogKeyReplaced
from modelyard.registry.keyring.keys import SECRET_BYTES, Keyring, new_secret
from modelyard.registry.keyring.queries import find_fact, set_fact

SECRET_FILE = "secret.key"  # noqa: S105 - a name
_LEAST_CHARACTERS = 32
_PUBLIC = "log.public_key"
SECRET_FACT = "server.secret"  # noqa: S105 - a name
"""Key of the secret in a database without a data folder; a backup stores it in a separate file."""


def open_keyring(
    db: Database, *, given: str = "", folder: Path | None = None, host: str, replace_lost: bool = False
) -> Keyring:
    """Return the server's keys; on a new registry, make them.

    given: the setting `secret_key`, which comes first: a text of the operator, or the content of a `secret.key`.
    folder: where the file `secret.key` is or goes.
    Without either the database itself keeps the secret. host: begins the name of a new log.
    Raises Conflict if the log was signed with another key, unless replace_lost is set, which is logged.
    """
    stored = db.read(lambda tx: find_fact(tx, _PUBLIC))
    is_lost = not given and folder is not None and not (folder / SECRET_FILE).exists()
    if stored is not None and is_lost and not replace_lost:
        # A new key would be refused below, and would remain in the place of the right one.
        raise _other_key()
    secret = _secret(db, given, folder)

    def work(tx: Transaction) -> Keyring:
        stored = find_fact(tx, _PUBLIC)
        if stored is None:
            keyring = Keyring(secret, new_origin(host))
            set_fact(tx, _PUBLIC, keyring.log_key.text())
            return keyring
        known = LogKey.parse(stored)
        keyring = Keyring(secret, known.name)
        if keyring.log_key == known:
            return keyring
        if not replace_lost:
            raise _other_key()
        set_fact(tx, _PUBLIC, keyring.log_key.text())
        tx.append(LogKeyReplaced(before=known.text(), after=keyring.log_key.text()), SYSTEM)
        return keyring

    if stored is not None:
        keyring = Keyring(secret, LogKey.parse(stored).name)
        if keyring.log_key.text() == stored:
            return keyring
    return db.write(work)


def _other_key() -> Conflict:
    return Conflict(
        reason="this registry's event log was signed with a different secret key",
        fix=f"Put {SECRET_FILE} back into the data folder, or set MODELYARD_SECRET_KEY as before or to the content "
        f"of {SECRET_FILE}; "
        "if it is lost for good, start once with --replace-lost-key",
    )


def new_origin(host: str) -> str:
    """Return the name of a new log: its host, and a unique part."""
    name = f"{host}/log-{secrets.token_hex(8)}"
    return name if is_origin(name) else f"modelyard/log-{secrets.token_hex(8)}"


def _secret(db: Database, given: str, folder: Path | None) -> bytes:
    if given:
        if len(given) < _LEAST_CHARACTERS:
            raise Invalid(
                reason=f"the setting secret_key has fewer than {_LEAST_CHARACTERS} characters",
                fix="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        return _decoded(given.encode()) or hashlib.sha256(given.encode()).digest()
    if folder is not None:
        return _secret_in_file(folder / SECRET_FILE)
    return db.write(_secret_in_database)


def _secret_in_file(path: Path) -> bytes:
    """Read the secret, or create it so that several processes at once all get the same one."""
    if not path.exists():
        _write_secret(path, new_secret())
    secret = _decoded(path.read_bytes())
    if secret is None:
        raise Invalid(reason=f"{path} does not hold a secret key", fix="Put it back from a backup")
    return secret


def _write_secret(path: Path, secret: bytes) -> None:
    temporary = path.with_name(f".{SECRET_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secret) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # Unlike a rename, a link never replaces a file that another process has just created.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _decoded(content: bytes) -> bytes | None:
    """Return the secret in the content of a `secret.key`; None for any other content."""
    try:
        secret = base64.b64decode(content.strip(), validate=True)
    except ValueError:
        return None
    return secret if len(secret) == SECRET_BYTES else None


def secret_in_database(tx: Transaction) -> bytes | None:
    """Return the secret that a registry without a data folder keeps, as the content of a `secret.key`; or None."""
    stored = find_fact(tx, SECRET_FACT)
    return None if stored is None else f"{stored}\n".encode()


def place_secret(db: Database, content: bytes, folder: Path | None) -> None:
    """Put the secret of a restored registry where `open_keyring` will look for it.

    content: of the `secret.key` in the backup. folder: where the file goes; None: into the database. An existing file
    stays. Raises Invalid for a content that is not a secret.
    """
    secret = _decoded(content)
    if secret is None:
        raise Invalid(reason=f"the backup's {SECRET_FILE} does not hold a secret key", fix="Use another backup")
    if folder is None:
        db.write(lambda tx: set_fact(tx, SECRET_FACT, base64.b64encode(secret).decode()))
    elif not (folder / SECRET_FILE).exists():
        _write_secret(folder / SECRET_FILE, secret)


def _secret_in_database(tx: Transaction) -> bytes:
    stored = find_fact(tx, SECRET_FACT)
    if stored is None:
        stored = base64.b64encode(new_secret()).decode()
        set_fact(tx, SECRET_FACT, stored)
    return base64.b64decode(stored)
