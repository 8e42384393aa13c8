"""Files that usually hold credentials: keys, password files, the registry's own data.

`push` refuses them and lists them, because a version cannot be changed after its registration.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from modelyard.domain.errors import SecretFiles
from modelyard.domain.secrets import find_secrets, holds_private_key, is_text
from modelyard.sdk.files import LocalFile

_HEAD_BYTES = 64 * 1024

# Patterns on the lower-case name of a file. These hold nothing but credentials.
_BY_NAME = (
    ".env", "*.env", ".env.*", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".git-credentials", ".htpasswd", ".pypirc",
    ".boto", ".s3cfg", ".dockercfg", ".vault-token", ".terraformrc", "*.tfstate", "*.tfstate.backup", "*.tfvars", "*.p12", "*.pfx",
    "*.jks", "*.keystore", "*.ppk", "*.kdbx", "*.keytab", "*.agekey", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk",
    "id_ed25519_sk", "kubeconfig", "secrets.toml", "secrets.yaml", "secrets.yml", "secrets.json", "secret.key", "master.key",
    "application_default_credentials.json", "kaggle.json",
)  # fmt: skip
_TEMPLATES = ("example", "sample", "template", "dist", "defaults")
# The last two parts of a path.
_BY_PLACE = frozenset(
    {
        ".aws/credentials",
        ".aws/config",
        ".docker/config.json",
        ".kube/config",
        ".azure/accesstokens.json",
        ".config/gh/hosts.yml",
    }
)
_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".password-store"})
# These may hold a credential, so their content decides.
_BY_CONTENT = (
    ".npmrc", ".yarnrc", ".yarnrc.yml", "pip.conf", "*credential*", "*token*", "*secret*", "*service*account*", "*.pem", "*.key",
    "*.der", "*.crt", "*.cfg", "*.ini", "*.conf", "*.properties", "config.json", "hosts.yml",
)  # fmt: skip
_DATABASE, _KEY = "modelyard.db", "secret.key"


def refuse_secret_files(files: Sequence[LocalFile]) -> None:
    """Refuse files that hold credentials. Raises SecretFiles with their names."""
    ours = _own_folders(files)
    found = [
        (file.path, why)
        for file in files
        if (why := _own_file(file.path, ours) or _by_name(file.path) or _by_content(file)) is not None
    ]
    if found:
        named = "; ".join(f"{path} ({why})" for path, why in found[:10])
        more = f" and {len(found) - 10} more" if len(found) > 10 else ""
        raise SecretFiles(count=len(found), files=f"{named}{more}", paths=[path for path, _ in found[:1000]])


def is_secret_file(path: Path) -> bool:
    """Return whether a file holds credentials, judged by its name, its folder or its content."""
    info = path.stat()
    file = LocalFile("/".join(path.parts[-2:]), path, info.st_size, info.st_mtime_ns)
    return _by_name(file.path) is not None or _by_content(file) is not None


def _own_folders(files: Sequence[LocalFile]) -> set[str]:
    """Return folders with a registry's data: a database and its key."""
    places: dict[str, set[str]] = {}
    for file in files:
        path = PurePosixPath(file.path)
        if path.name in (_DATABASE, _KEY):
            places.setdefault(str(path.parent), set()).add(path.name)
    return {folder for folder, names in places.items() if _DATABASE in names}


def _own_file(path: str, ours: set[str]) -> str | None:
    parents = {str(parent) for parent in PurePosixPath(path).parents}
    return "the data of a registry" if ours & parents else None


def _by_name(path: str) -> str | None:
    name = PurePosixPath(path).name.lower()
    parts = path.lower().split("/")
    if any(name.endswith(f".{word}") or name.startswith(f"{word}.") for word in _TEMPLATES):
        return None
    if any(fnmatchcase(name, pattern) for pattern in _BY_NAME):
        return "its name is typical of files with credentials"
    if _FOLDERS.intersection(parts[:-1]) or "/".join(parts[-2:]) in _BY_PLACE:
        return "it is in a folder of credentials"
    return None


def _by_content(file: LocalFile) -> str | None:
    head = _head(file.source)
    if not is_text(head):
        return None
    text = head.decode("utf-8", "replace")
    if holds_private_key(text[:4096]) and text.lstrip().startswith("-----BEGIN "):
        return "it is a private key"
    name = PurePosixPath(file.path).name.lower()
    if any(fnmatchcase(name, pattern) for pattern in _BY_CONTENT):
        if holds_private_key(text):
            return "it holds a private key"
        for secret in find_secrets(text):
            return f"line {secret.line} holds a {secret.kind}"
        if any(word in text for word in ('"refresh_token"', '"private_key"', "_authToken=", '"auths"')):
            return "it holds a credential"
    return None


def _head(source: Path) -> bytes:
    try:
        with source.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        # Reading it again for its digest will raise the error.
        return b""
