"""Every setting in one table: name, type, unit, default, meaning.

Each is a flag of `modelyard serve`, an environment variable MODELYARD_<NAME> and a key in `modelyard.toml`,
in that order of precedence. A secret can also be read from a file, named by a setting of the same name with
`_file` at the end, because other users of a machine can see the flags of a process. The reference page of the
documentation is generated from this table.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.domain.sizes import parse_size

GIB = 1 << 30
MIB = 1 << 20


def _setting(default: Any, meaning: str, unit: str = "", *, secret: bool = False) -> Any:
    return field(default=default, metadata={"meaning": meaning, "unit": unit, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a server."""

    data: str = _setting(
        "./modelyard-data",
        "Folder of the database and the stored bytes, unless database_url and blobs_url name other places",
    )
    host: str = _setting(
        "127.0.0.1", "Address to listen on; any address but loopback needs TLS or a proxy in front"
    )
    port: int = _setting(8470, "Port to listen on; 0 lets the system choose")
    database_url: str = _setting(
        "", "Database, as sqlite:///PATH or postgresql://…; empty: SQLite in the data folder", secret=True
    )
    blobs_url: str = _setting(
        "",
        "Store of the bytes: a folder or s3://BUCKET/PREFIX?endpoint=URL&region=NAME; empty: the data folder",
    )
    workers: int = _setting(1, "Server processes; more than one needs PostgreSQL", "processes")
    public_url: str = _setting("", "Address at which users reach the server; empty: http://HOST:PORT")
    allowed_hosts: str = _setting(
        "", "Host names allowed in requests, comma-separated; empty: the names of the listening address"
    )
    behind_proxy: bool = _setting(False, "A proxy in front terminates TLS and is trusted to name the client")
    tls_cert: str = _setting("", "File of the TLS certificate chain, PEM")
    tls_key: str = _setting("", "File of the TLS private key, PEM", secret=True)
    everyone_creates_namespaces: bool = _setting(
        True, "Let everyone who is signed in create namespaces; otherwise only admins"
    )
    secret_key: str = _setting(
        "",
        "Key with which the server signs and encrypts; empty: generated once and kept in the data folder",
        secret=True,
    )
    replace_lost_key: bool = _setting(
        False, "Start even if the secret key differs from the previous one; the change is logged"
    )
    webhook_allowed_hosts: str = _setting(
        "",
        "Private hosts and networks that webhooks and sign-in may reach, comma-separated",
    )
    oidc_issuer: str = _setting("", "Sign-in provider (OpenID Connect), by its issuer address; empty: none")
    oidc_client_id: str = _setting("", "Client id of this server at the sign-in provider")
    oidc_client_secret: str = _setting("", "Client secret of this server at the sign-in provider", secret=True)
    oidc_scopes: str = _setting(
        "openid profile email", "Scopes requested from the sign-in provider, separated by spaces"
    )
    oidc_groups_claim: str = _setting("groups", "Claim with the user's groups")
    oidc_groups: str = _setting(
        "",
        "PROVIDER_GROUP=GROUP, comma-separated: local groups whose members come from the provider; admin: admins",
    )
    oidc_create_accounts: bool = _setting(
        True, "Create an account for everyone who signs in through the provider"
    )
    oidc_email_domains: str = _setting(
        "",
        "Domains of the e-mail addresses that may sign in through the provider, comma-separated, and that the provider has "
        "verified; empty: everyone whom the provider signs in",
    )
    smtp_host: str = _setting("", "Mail server for e-mail subscriptions; empty: no e-mail")
    smtp_port: int = _setting(587, "Port of the mail server")
    smtp_security: str = _setting(
        "starttls", "Security of the connection to the mail server: starttls, tls or none"
    )
    smtp_user: str = _setting("", "Account at the mail server; empty: none")
    smtp_password: str = _setting("", "Password of that account", secret=True)
    smtp_sender: str = _setting("", "Sender address of e-mails; empty: modelyard@SMTP_HOST")
    max_request_bytes: int = _setting(
        16 * MIB,
        "Largest JSON body of requests with long bodies: registrations, records of a run, profiles",
        "bytes",
    )
    max_file_bytes: int = _setting(1024 * GIB, "Largest file", "bytes")
    max_files_per_version: int = _setting(100_000, "Most files in one version", "files")
    upload_chunk_bytes: int = _setting(
        64 * MIB, "Larger files are sent in resumable pieces of this size", "bytes"
    )
    rate_limit: float = _setting(
        0.0,
        "Average requests per second allowed for one client (a token, otherwise an address); 0: no limit",
        "1/s",
    )
    uploads_per_client: int = _setting(
        16,
        "Concurrent uploads of one client (an account, otherwise an address); further uploads wait",
        "uploads",
    )
    streams_per_client: int = _setting(
        32, "Concurrent event streams and exports of one client; further ones are refused", "streams"
    )
    slow_body_bytes_per_second: int = _setting(
        1024,
        "Slowest accepted body; slower ones are refused, after 10 s at the beginning and after 30 s later",
        "bytes/s",
    )
    redirect_downloads: bool = _setting(
        False, "Send clients to the bucket by a signed URL instead of proxying bytes"
    )
    collect_grace_hours: float = _setting(24.0, "Keep unused bytes at least this long", "hours")
    local_builds: str = _setting(
        "admins", "Accounts whose builds may run on this machine: admins, contributors or off"
    )
    local_network: str = _setting(
        "contributors",
        "Accounts whose recipes may ask for the network in builds on this machine: admins, contributors or off",
    )
    build_slots: int = _setting(2, "Builds that run on this machine at once", "builds")
    build_folder: str = _setting("", "Folder in which builds work; empty: the folder builds in the data folder")
    build_pools: str = _setting(
        "", "TOML file of the Slurm and Ray clusters on which builds run; empty: only this machine"
    )
    local_deployments: bool = _setting(
        True, "Serve deployments by processes on this machine, next to the server"
    )
    local_unisolated: bool = _setting(
        False,
        "Install and run packages of deployed versions on this machine even where bubblewrap cannot keep them apart from it",
    )
    scorer_command: str = _setting(
        "",
        "Command that serves a deployment on this machine, to which its folder is added; empty: that of this release",
    )
    keep_builds_days: float = _setting(
        90.0,
        "Keep the logs of ended builds, and the records of those that registered no version, this long; 0: for ever",
        "days",
    )
    metrics_public: bool = _setting(False, "Show /metrics without a token to everyone who can reach the server")
    show_components: bool = _setting(
        False, "Show every component of the pages at /_components, for people who change them"
    )
    access_log: str = _setting("changes", "Requests to log: none, changes (and errors) or all")
    log_level: str = _setting("info", "Lowest severity to log: debug, info, warning or error")
    database_threads: int = _setting(4, "Threads (and connections) that read the database", "threads")
    database_prepare: bool = _setting(
        True, "Use prepared statements; turn off for a pooler in transaction mode"
    )

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
    """Load settings: flags before environment before file before defaults. Raises Invalid, naming the faulty setting.

    flags: values of None do not count. file: None reads ./modelyard.toml if it exists.
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
                is_size = spec.metadata["unit"] == "bytes"
                values.setdefault(spec.name, _convert(raw, type(spec.default), source, is_size=is_size))
        if comes_in_file(spec):
            path = _first_given(spec.name, flags, environment, from_file)
            if path is not None and spec.name not in values:
                values[spec.name] = _read_secret(spec.name, path)
    if from_file:
        raise Invalid(
            reason=f"modelyard.toml has an unknown setting {sorted(from_file)[0]!r}",
            fix="List the settings with: modelyard serve --help",
        )
    return Settings(**values)


def comes_in_file(spec: Field[Any]) -> bool:
    """Whether the setting can be read from a file; the TLS key already is one."""
    return bool(spec.metadata["secret"]) and spec.name != "tls_key"


def _first_given(
    name: str, flags: Mapping[str, Any] | None, environment: Mapping[str, str], from_file: dict[str, Any]
) -> str | None:
    places = (
        (flags or {}).get(f"{name}_file"),
        environment.get(f"MODELYARD_{name.upper()}_FILE"),
        from_file.pop(f"{name}_file", None),
    )
    return next((str(path) for path in places if path is not None), None)


def _read_secret(name: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise Invalid(reason=f"{name}_file {path} cannot be read: {exc}", fix="Correct the path") from exc
    if not text:
        raise Invalid(reason=f"{name}_file {path} is empty", fix="Write the secret into the file")
    return text


def _read_file(file: Path | None) -> dict[str, Any]:
    path = file or Path("modelyard.toml")
    if file is None and not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise Invalid(reason=f"{path} cannot be read: {exc}", fix="Correct the file") from exc
    return dict(found.get("server", found))


def _convert(raw: Any, wanted: type, source: str, *, is_size: bool = False) -> Any:
    """is_size: text such as 64MiB or 10GB is a size in bytes."""
    try:
        if is_size and isinstance(raw, str):
            return parse_size(raw)
        if wanted is bool and isinstance(raw, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]
        if wanted is bool and not isinstance(raw, bool):
            raise ValueError
        return wanted(raw)
    except (ValueError, KeyError, TypeError, Invalid):
        raise Invalid(
            reason=f"{source} is {raw!r}, which is not a valid {wanted.__name__}", fix="Correct the value"
        ) from None
