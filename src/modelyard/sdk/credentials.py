"""Tokens by server, in one file that only its owner may read.

credentials.json = {"version": 1, "default": URL, "servers": {URL: {"token": …, "account": …}}}
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from modelyard.domain.errors import Invalid
from modelyard.sdk.http import checked_url
from modelyard.sdk.locations import config_folder
from modelyard.sdk.locks import locked

FILE = "credentials.json"
DEFAULT_URL = "http://127.0.0.1:8470"


class Entry(msgspec.Struct, kw_only=True):
    token: str
    account: str = ""
    insecure: bool = False
    """Whether the token may go there over http://."""

    def __repr__(self) -> str:
        return f"<Entry of {self.account or 'somebody'}>"


class Credentials(msgspec.Struct, kw_only=True):
    version: int = 1
    default: str | None = None
    servers: dict[str, Entry] = {}


def path() -> Path:
    return config_folder() / FILE


def load() -> Credentials:
    """Read the stored credentials. Raises Invalid when the file is damaged."""
    try:
        raw = path().read_bytes()
    except FileNotFoundError:
        return Credentials()
    try:
        found = msgspec.json.decode(raw, type=Credentials)
    except msgspec.MsgspecError as exc:
        # Without the decoder's words, which may quote a token.
        raise _damaged() from exc
    if found.version != 1:
        raise _damaged()
    return found


def _damaged() -> Invalid:
    return Invalid(
        reason=f"{path()} is not what this release writes",
        fix="Remove the file and sign in again with: modelyard login",
    )


def save(url: str, token: str, account: str, *, make_default: bool, insecure: bool = False) -> None:
    """Keep a token. The first server becomes the default one anyway. insecure: it may go there over http://."""
    url = checked_url(url)
    with locked(config_folder() / "credentials.lock"):
        found = load()
        found.servers[url] = Entry(token=token, account=account, insecure=insecure)
        if make_default or found.default is None:
            found.default = url
        _write(found)


def forget(url: str) -> bool:
    """Remove a server; whether it was there. Another one becomes the default one if it was that."""
    with locked(config_folder() / "credentials.lock"):
        found = load()
        if found.servers.pop(url, None) is None:
            return False
        if found.default == url:
            found.default = next(iter(found.servers), None)
        _write(found)
        return True


def _write(found: Credentials) -> None:
    folder = config_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes the file with mode 0600 from its first moment.
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".credentials-", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(folder / FILE)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def is_insecure(url: str) -> bool:
    """Whether a token may go to this server over http://: MODELYARD_INSECURE, or what `login` was told."""
    if os.environ.get("MODELYARD_INSECURE", "").lower() in ("1", "true", "yes", "on"):
        return True
    entry = load().servers.get(url) if url.startswith("http://") else None
    return entry is not None and entry.insecure


def choose(url: str | None, token: str | None) -> tuple[str, str | None]:
    """(address, token): what is given, else the environment, else what `login` or `serve` stored.

    A stored token goes to the server it was stored for, and to no other.
    """
    url = url or os.environ.get("MODELYARD_URL") or None
    token = token or os.environ.get("MODELYARD_TOKEN") or None
    if url is not None and token is not None:
        return checked_url(url), token
    stored = load()
    url = checked_url(url or stored.default or DEFAULT_URL)
    if token is None and url in stored.servers:
        token = stored.servers[url].token
    return url, token
