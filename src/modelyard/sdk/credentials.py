"""Tokens by server, in a file that only its owner can read.

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
from modelyard.sdk.saying import say_once

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
    except (FileNotFoundError, NotADirectoryError):
        return Credentials()
    except PermissionError as error:
        say_once(f"the stored tokens are not used: {error.filename} cannot be read")
        return Credentials()
    try:
        found = msgspec.json.decode(raw, type=Credentials)
    except msgspec.MsgspecError as exc:
        # Without the decoder's message, which may quote a token.
        raise _damaged() from exc
    if found.version != 1:
        raise _damaged()
    return found


def _damaged() -> Invalid:
    return Invalid(
        reason=f"{path()} is not a credentials file of this release",
        fix="Remove the file and sign in again with: modelyard login",
    )


def save(url: str, token: str, account: str, *, make_default: bool, insecure: bool = False) -> None:
    """Store a token. The first server always becomes the default one. insecure: allow http:// for it."""
    url = checked_url(url)
    with locked(config_folder() / "credentials.lock"):
        found = load()
        found.servers[url] = Entry(token=token, account=account, insecure=insecure)
        if make_default or found.default is None:
            found.default = url
        _write(found)


def forget(url: str) -> bool:
    """Remove a server; return whether it was stored. If it was the default one, another one becomes that."""
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
    # mkstemp creates the file with mode 0600 from the beginning.
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


def checked_token(text: str) -> str:
    """Return a token without surrounding white space. Raises Invalid for a text that cannot be one."""
    token = text.strip()
    if not token:
        raise Invalid(
            reason="the token is empty",
            fix="Nothing was stored. Give a token on standard input or in MODELYARD_TOKEN; "
            "an unset secret of a CI system reads as empty",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Invalid(
            reason="this is not a token: it contains a space or another invalid character",
            fix="Copy only the token, as modelyard token create printed it",
        )
    return token


def is_insecure(url: str) -> bool:
    """Return whether a token may be sent to this server over http://, by MODELYARD_INSECURE or an option of `login`."""
    if os.environ.get("MODELYARD_INSECURE", "").lower() in ("1", "true", "yes", "on"):
        return True
    entry = load().servers.get(url) if url.startswith("http://") else None
    return entry is not None and entry.insecure


def choose(url: str | None, token: str | None) -> tuple[str, str | None]:
    """Return (address, token): the given ones, otherwise the environment's, otherwise those of `login` or `serve`.

    A stored token is sent only to the server that it was stored for.
    """
    url = url or os.environ.get("MODELYARD_URL") or None
    token = token or os.environ.get("MODELYARD_TOKEN", "").strip() or None
    if token is not None:
        token = checked_token(token)
    if url is not None and token is not None:
        return checked_url(url), token
    stored = load()
    url = checked_url(url or stored.default or DEFAULT_URL)
    if token is None and url in stored.servers:
        token = stored.servers[url].token
    return url, token
