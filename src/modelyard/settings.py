"""Every setting in one table: name, type, unit, default, meaning.

Each is a flag of `modelyard serve`, an environment variable MODELYARD_<NAME> and a key in `modelyard.toml`,
in that order of precedence. The reference page of the documentation is generated from this table.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid

GIB = 1 << 30
MIB = 1 << 20


def _setting(default: Any, meaning: str, unit: str = "", *, secret: bool = False) -> Any:
    return field(default=default, metadata={"meaning": meaning, "unit": unit, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator may decide about a server."""

    data: str = _setting(
        "./modelyard-data", "Folder of the database and the bytes when no other place is named"
    )
    host: str = _setting("127.0.0.1", "Address to listen on; other than loopback needs TLS or a proxy in front")
    port: int = _setting(8470, "Port to listen on; 0 lets the system choose")
    database_url: str = _setting(
        "", "sqlite:///PATH or postgresql://…; empty: SQLite in the data folder", secret=True
    )
    blobs_url: str = _setting(
        "", "A folder or s3://BUCKET/PREFIX?endpoint=URL&region=NAME; empty: in the data folder"
    )
    workers: int = _setting(1, "Server processes; more than one needs PostgreSQL", "processes")
    public_url: str = _setting("", "The address users reach the server by; empty: http://HOST:PORT")
    allowed_hosts: str = _setting("", "Host names that requests may carry, comma-separated; empty: as bound")
    behind_proxy: bool = _setting(False, "A proxy in front ends TLS and is trusted to name the client")
    tls_cert: str = _setting("", "File of the TLS certificate chain, PEM")
    tls_key: str = _setting("", "File of the TLS private key, PEM", secret=True)
    everyone_creates_namespaces: bool = _setting(
        True, "Everyone who is signed in may make namespaces; otherwise admins"
    )
    secret_key: str = _setting(
        "", "What the server signs and seals with; empty: made once and kept in the data folder", secret=True
    )
    replace_lost_key: bool = _setting(
        False, "Start although the secret key is another one than before; the change is logged"
    )
    webhook_allowed_hosts: str = _setting(
        "",
        "Hosts and networks that webhooks and sign-in may reach although they are not public, comma-separated",
    )
    oidc_issuer: str = _setting("", "Sign-in provider (OpenID Connect), by its issuer address; empty: none")
    oidc_client_id: str = _setting("", "This server's name at the sign-in provider")
    oidc_client_secret: str = _setting("", "Its secret there", secret=True)
    oidc_scopes: str = _setting("openid profile email", "What is asked of the sign-in provider")
    oidc_groups_claim: str = _setting("groups", "Claim in which the provider names a user's groups")
    oidc_groups: str = _setting(
        "",
        "PROVIDER_GROUP=GROUP, comma-separated: groups here whose members follow the provider; admin means admins",
    )
    oidc_create_accounts: bool = _setting(True, "Everyone whom the provider signs in gets an account here")
    smtp_host: str = _setting("", "Mail server for e-mail subscriptions; empty: no e-mail")
    smtp_port: int = _setting(587, "Port of the mail server")
    smtp_security: str = _setting("starttls", "How to secure the way to it: starttls, tls or none")
    smtp_user: str = _setting("", "Account at the mail server; empty: none")
    smtp_password: str = _setting("", "Its password", secret=True)
    smtp_sender: str = _setting("", "Address that e-mails come from; empty: modelyard@SMTP_HOST")
    max_request_bytes: int = _setting(
        16 * MIB, "Largest JSON body where one may be large: registering, records of a run, profiles", "bytes"
    )
    max_file_bytes: int = _setting(1024 * GIB, "Largest file", "bytes")
    max_files_per_version: int = _setting(100_000, "Most files in one version", "files")
    upload_chunk_bytes: int = _setting(
        64 * MIB, "Files above this size are sent in resumable pieces of it", "bytes"
    )
    rate_limit: float = _setting(
        0.0,
        "Requests a second that one client (a token, else an address) may make in the long run; 0: no limit",
        "1/s",
    )
    uploads_per_client: int = _setting(
        16, "Uploads that one client (an account, else an address) has under way at once; more wait", "uploads"
    )
    streams_per_client: int = _setting(
        32, "Event streams and exports that one client has open at once; more are refused", "streams"
    )
    slow_body_bytes_per_second: int = _setting(
        1024,
        "Bodies that arrive more slowly are refused: at first after ten seconds, later after thirty",
        "bytes/s",
    )
    redirect_downloads: bool = _setting(
        False, "Send clients to the bucket by a signed URL instead of proxying bytes"
    )
    collect_grace_hours: float = _setting(24.0, "Unneeded bytes are kept at least this long", "hours")
    metrics_public: bool = _setting(False, "Show /metrics without a token to anyone who reaches the server")
    access_log: str = _setting("changes", "Requests to log: none, changes (and errors) or all")
    log_level: str = _setting("info", "Least severity to log: debug, info, warning or error")
    database_threads: int = _setting(4, "Threads (and connections) that read the database", "threads")
    database_prepare: bool = _setting(True, "Prepare statements; off for a pooler in transaction mode")

    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{Path(self.data).absolute() / 'modelyard.db'}"

    def resolved_blobs_url(self) -> str:
        return self.blobs_url or str(Path(self.data).absolute())

    @property
    def is_loopback(self) -> bool:
        return self.host in ("127.0.0.1", "localhost", "::1") or self.host.startswith("127.")


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Flags before environment before file before defaults. Raises Invalid naming the setting at fault.

    flags: values of None do not count. file: None reads ./modelyard.toml when there is one.
    """
    environment = os.environ if environment is None else environment
    from_file = _read_file(file)
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        for source, raw in (
            (f"--{spec.name.replace('_', '-')}", (flags or {}).get(spec.name)),
            (f"MODELYARD_{spec.name.upper()}", environment.get(f"MODELYARD_{spec.name.upper()}")),
            (f"{spec.name} in modelyard.toml", from_file.pop(spec.name, None)),
        ):
            if raw is not None:
                values.setdefault(spec.name, _convert(raw, type(spec.default), source))
    if from_file:
        raise Invalid(
            reason=f"modelyard.toml has the unknown setting {sorted(from_file)[0]!r}",
            fix="The settings are listed by: modelyard serve --help",
        )
    return Settings(**values)


def _read_file(file: Path | None) -> dict[str, Any]:
    path = file or Path("modelyard.toml")
    if file is None and not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise Invalid(reason=f"{path} cannot be read: {exc}", fix="Correct the file") from exc
    return dict(found.get("server", found))


def _convert(raw: Any, wanted: type, source: str) -> Any:
    try:
        if wanted is bool and isinstance(raw, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]
        if wanted is bool and not isinstance(raw, bool):
            raise ValueError
        return wanted(raw)
    except (ValueError, KeyError, TypeError):
        raise Invalid(reason=f"{source} is {raw!r}, which is no {wanted.__name__}", fix="Correct it") from None
