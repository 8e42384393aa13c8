"""Finding the server's secret at its start, or making it at the first one."""

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
_PUBLIC, _SECRET = "log.public_key", "server.secret"


def open_keyring(
    db: Database, *, given: str = "", folder: Path | None = None, host: str, replace_lost: bool = False
) -> Keyring:
    """The server's keys; on a new registry they are made.

    given: the setting `secret_key`, stronger than all else. folder: where the file `secret.key` is or goes.
    Without either the database itself keeps the secret. host: begins the name of a new log.
    Raises Conflict when the log was signed by another key, unless replace_lost, which is logged.
    """
    stored = db.read(lambda tx: find_fact(tx, _PUBLIC))
    is_lost = not given and folder is not None and not (folder / SECRET_FILE).exists()
    if stored is not None and is_lost and not replace_lost:
        # A new key would only be refused below, and then lie where the right one belongs.
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
        reason="this registry's event log was signed with another secret key than the one at hand",
        fix=f"Put {SECRET_FILE} back into the data folder, or set MODELYARD_SECRET_KEY as before; "
        "when it is lost for good, start once with --replace-lost-key",
    )


def new_origin(host: str) -> str:
    """The name of a new log: where it is kept, and something no other log has."""
    name = f"{host}/log-{secrets.token_hex(8)}"
    return name if is_origin(name) else f"modelyard/log-{secrets.token_hex(8)}"


def _secret(db: Database, given: str, folder: Path | None) -> bytes:
    if given:
        if len(given) < _LEAST_CHARACTERS:
            raise Invalid(
                reason=f"the setting secret_key has fewer than {_LEAST_CHARACTERS} characters",
                fix="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        return hashlib.sha256(given.encode()).digest()
    if folder is not None:
        return _secret_in_file(folder / SECRET_FILE)
    return db.write(_secret_in_database)


def _secret_in_file(path: Path) -> bytes:
    """Read it, or make it so that of several processes at once all get the same."""
    if not path.exists():
        temporary = path.with_name(f".{SECRET_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(new_secret()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # Unlike a rename, a link never takes the place of what another process made meanwhile.
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    try:
        secret = base64.b64decode(path.read_bytes().strip(), validate=True)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise Invalid(reason=f"{path} does not hold a secret key", fix="Put it back from a backup")
    return secret


def _secret_in_database(tx: Transaction) -> bytes:
    stored = find_fact(tx, _SECRET)
    if stored is None:
        stored = base64.b64encode(new_secret()).decode()
        set_fact(tx, _SECRET, stored)
    return base64.b64decode(stored)
