"""What a worker needs before it can start: the files of a version, its record, and a Python environment.

<cache>/versions/KEY/          one for each version, by reference and digest
    model/                     its files; each byte is hashed when it arrives, and again at each start
    manifest.json record.json  canonical bytes, checked against their digests
    lock.txt                   the lock of its environment, once it is known
<cache>/files/                 files by digest
<cache>/environments/KEY/      Python environments (`sdk.environments`)

What is there already is used while the registry cannot be reached. The registry's refusal (quarantine, recall, rights) counts
also for what is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import Kind, ModelyardError
from modelyard.scorer.launch import SYSTEM, python_folders
from modelyard.sdk.cache import Cache, hash_path
from modelyard.sdk.environment import installed_packages, requirements_text
from modelyard.sdk.environments import Needed, NotMade, find_python, prepare
from modelyard.sdk.files import PULLED_FOLDER
from modelyard.sdk.locks import locked
from modelyard.sdk.pull import checked_manifest, find_manifest, find_record, pull_version
from modelyard.sdk.runs.lock import lock_of_run
from modelyard.sdk.savers.base import LoaderSpec, read_loader
from modelyard.sdk.session import Session
from modelyard.wire.scorer import Wanted, WantedRevision

_AWAY = (Kind.BUSY, Kind.UNAVAILABLE)
_FIRST_PYTHON = (3, 11)
_END_CHARACTERS = 600
_OURS = "modelyard"


class CannotPrepare(Exception):
    """The version cannot serve here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Files:
    """A version on this machine. folder: of its files. place: of everything about it."""

    place: Path
    record: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        return self.place / "model"


@dataclass(frozen=True, slots=True)
class Home:
    """The environment of a worker. key: None if it is the scorer's own, which has exactly what is needed."""

    python: Path
    key: str | None


# --- files -------------------------------------------------------------------------------------------


def bring(wanted: Wanted, revision: WantedRevision, token: str, say: Callable[[str], None]) -> Files:
    """Have the verified files and record of a version. Raises CannotPrepare."""
    key = hashlib.sha256(f"{revision.reference}|{revision.digest}".encode()).hexdigest()[:32]
    place = Path(wanted.cache) / "versions" / key
    with locked(place.parent / f"{key}.lock"):
        try:
            return _bring(place, wanted, revision, token, say)
        except ModelyardError as error:
            raise CannotPrepare(f"{error.message} {error.fix}".strip()) from None
        except OSError as error:
            raise CannotPrepare(
                f"{revision.reference} cannot be stored: {error.strerror or error}. Make room in {wanted.cache}"
            ) from None


def _bring(
    place: Path, wanted: Wanted, revision: WantedRevision, token: str, say: Callable[[str], None]
) -> Files:
    if wanted.registry is None:
        return _stored(place, revision)
    cache = Cache(Path(wanted.cache) / "files")
    is_stored = (place / "record.json").exists()
    session = Session(
        wanted.registry,
        token or None,
        cache=cache,
        insecure=True,
        timeout_seconds=5.0 if is_stored else 60.0,
        patience_seconds=0.0 if is_stored else 30.0,
    )
    try:
        version, manifest = find_manifest(session, revision.reference)
    except ModelyardError as error:
        if is_stored and error.kind in _AWAY:
            say(f"the registry cannot be reached; {revision.reference} is used as it is stored here")
            return _stored(place, revision)
        raise
    if version.digest != revision.digest:
        raise CannotPrepare(
            f"{revision.reference} is {version.digest} in the registry, but {revision.digest} is to be deployed. "
            "Deploy it again"
        )
    if version.withheld:
        raise CannotPrepare(
            f"{version.withheld[0].path} of {revision.reference} is withheld, so it cannot be served"
        )
    if is_stored:
        with suppress(CannotPrepare):
            return _stored(place, revision)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        pull_version(session, revision.reference, place / "model", link=True)
        (place / "manifest.json").write_bytes(manifest.canonical_bytes)
        record = find_record(session, version)
        lock = _lock_of(session, json.loads(record), say)
        if lock:
            (place / "lock.txt").write_text(lock, encoding="utf-8")
        # Written last: without it the files are fetched again.
        _write(place / "record.json", record)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return _stored(place, revision)


def _stored(place: Path, revision: WantedRevision) -> Files:
    """Return what is stored, with every byte of the model hashed again."""
    try:
        record = json.loads((place / "record.json").read_bytes())
        data = (place / "manifest.json").read_bytes()
    except (OSError, ValueError):
        raise CannotPrepare(
            f"{revision.reference} is not stored here, and the registry cannot be reached"
        ) from None
    if str(Digest.of(data)) != revision.digest:
        raise CannotPrepare(f"the stored manifest of {revision.reference} is damaged")
    folder, manifest = place / "model", checked_manifest(data)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    known = {file.path for file in manifest.files}
    for more in sorted(present - known):
        if not more.startswith(f"{PULLED_FOLDER}/"):
            raise CannotPrepare(f"the stored {revision.reference} has a file {more} that is not its own")
    for file in manifest.files:
        path = folder / file.path
        if path.is_symlink() or not path.is_file() or hash_path(path) != file.digest:
            raise CannotPrepare(f"the stored file {file.path} of {revision.reference} is damaged")
    return Files(place, record)


def _lock_of(session: Session, record: Mapping[str, Any], say: Callable[[str], None]) -> str:
    try:
        return lock_of_run(session, record)
    except ModelyardError as error:
        if error.kind in _AWAY:
            raise
        say(
            f"the lock of the run is not readable with this token, so the recorded packages are used: {error.message}"
        )
        return ""


def _write(path: Path, data: bytes) -> None:
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


# --- the environment ---------------------------------------------------------------------------------


def make_home(
    files: Files,
    cache: Path,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
    *,
    bwrap: str | None,
    unisolated: bool = False,
) -> Home:
    """Have the environment of a version: the scorer's own if it is the same, otherwise one by its lock.

    bwrap: keeps its packages apart from this machine; None: nothing does, so packages other than the scorer's own are refused,
    unless they may be unisolated. Raises CannotPrepare.
    """
    try:
        return _make_home(files, cache, say, stopped, bwrap, unisolated)
    except NotMade as error:
        raise CannotPrepare(f"the environment cannot be made: {error}") from None
    except ModelyardError as error:
        raise CannotPrepare(f"{error.message} {error.fix}".strip()) from None
    except OSError as error:
        raise CannotPrepare(f"the environment cannot be made: {error.strerror or error}") from None


def _make_home(
    files: Files,
    cache: Path,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
    bwrap: str | None,
    unisolated: bool,
) -> Home:
    spec = read_loader(files.folder)
    told = files.record.get("environment") or {}
    lock = files.place / "lock.txt"
    python = str(told.get("python") or "")
    if python and tuple(map(int, python.split(".")[:2])) < _FIRST_PYTHON:
        raise CannotPrepare(f"the version was made with Python {python}; scorers run 3.11 and newer ones")
    if not lock.exists() and is_own(told):
        say("the scorer's own environment has exactly the recorded packages, so the worker uses it")
        return Home(Path(sys.executable), None)
    if bwrap is None and not unisolated:
        raise CannotPrepare(
            "its packages are not those of the scorer, and nothing keeps them apart from this machine: bubblewrap is missing, or "
            "may not work here. Install it; or, if everyone who may push is trusted with this machine, set local_unisolated"
        )
    environments = cache / "environments"
    runner = _Runner(environments, say, bwrap)
    with tempfile.TemporaryDirectory(prefix="needed-", dir=files.place) as scratch:
        if lock.exists():
            needed = Needed(_python(python), lock=lock)
        else:
            needed = _needed(files.record, spec, told, Path(scratch), _python(python))
        made = prepare(needed, environments, runner.run, say, stopped)
    if made.lock and not lock.exists():
        # The same packages at each start, whatever the index has meanwhile; and no index is needed.
        _write(lock, made.lock.encode())
    return Home(made.python, made.key)


def is_own(told: Mapping[str, Any]) -> bool:
    """Return whether a recorded environment is the one that this process runs in: same Python, same files of packages."""
    places = tuple((path, Path(path).stat().st_mtime_ns) for path in sys.path if Path(path).is_dir())
    packages, origins = _own_packages(places)
    if not told.get("packages") or told.get("python") != ".".join(map(str, sys.version_info[:3])):
        return False
    known = told.get("origins") or {}

    def others(found: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in found.items() if name != _OURS}

    records = {name: origin.get("record") for name, origin in others(origins).items()}
    return others(packages) == others(told["packages"]) and records == {
        name: origin.get("record") for name, origin in others(known).items()
    }


@lru_cache(1)
def _own_packages(_: tuple[tuple[str, int], ...]) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return the packages of this process's environment; its folders and their times are the key of the cache."""
    return installed_packages()


def _python(recorded: str) -> str:
    """Return the Python to ask for: the recorded release if it is installed, otherwise another of its series."""
    if not recorded:
        return ""
    try:
        find_python(recorded)
    except NotMade:
        return ".".join(recorded.split(".")[:2])
    return recorded


def _needed(
    record: Mapping[str, Any], spec: LoaderSpec, told: Mapping[str, Any], scratch: Path, python: str
) -> Needed:
    """Return requirements of what loading the model needs, with the recorded versions of that and of all it needs."""
    recorded: Mapping[str, str] = told.get("packages") or {}
    origins = told.get("origins") or {}
    roots = {name: recorded.get(name, version) for name, version in spec.versions.items()}
    if _has_columns(record.get("signature") or spec.signature) and "pandas" in recorded:
        roots["pandas"] = recorded["pandas"]
    if spec.saver == "onnx":
        roots["onnxruntime"] = recorded.get("onnxruntime", "")
    local = [name for name in roots if {"editable", "local"} & set(origins.get(name, ()))]
    if local:
        raise CannotPrepare(
            f"{local[0]} was installed from a folder when the version was pushed, so no other machine has it. Build the "
            "version from a recipe with a lock, or publish the package"
        )
    lines = [f"{name}=={version}" if version else name for name, version in sorted(roots.items())]
    requirements, constraints = scratch / "requirements.txt", scratch / "constraints.txt"
    requirements.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    # Addresses and local versions are no constraints of an index.
    plain = {
        name: version
        for name, version in recorded.items()
        if name not in roots and not {"url", "editable", "local"} & set(origins.get(name, ()))
    }
    constraints.write_text(requirements_text({"packages": plain}), encoding="utf-8")
    return Needed(python, requirements=requirements, constraints=constraints)


def _has_columns(signature: Any) -> bool:
    inputs = (signature or {}).get("inputs") or []
    return bool(inputs) and all(len(entry.get("shape") or []) == 1 for entry in inputs)


_NAMES_AND_CERTIFICATES = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/run/systemd/resolve",
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/pip.conf", "/etc/uv", "/etc/xdg",
)  # fmt: skip
"""What installers need besides, to reach an index."""


@dataclass(frozen=True, slots=True)
class _Ended:
    exit_code: int
    reason: str
    cause: str = ""

    @property
    def is_ok(self) -> bool:
        return self.exit_code == 0


class _Runner:
    """Runs installers, with their caches next to the environments and their words in the log.

    Packages run code while they are built, and whenever their Python starts. bwrap: keeps that apart; they see the system, the
    folder of their requirements and the environments, and have the network. None: nothing is built from source.
    """

    def __init__(self, environments: Path, say: Callable[[str], None], bwrap: str | None) -> None:
        self._environments, self._say, self._bwrap = environments, say, bwrap

    def run(self, command: Sequence[str], folder: Path) -> _Ended:
        caches = self._environments / "cache"
        variables = {
            "UV_CACHE_DIR": str(caches / "uv"),
            "PIP_CACHE_DIR": str(caches / "pip"),
            **os.environ,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
        }
        variables.pop("MODELYARD_TOKEN", None)
        if self._bwrap is None:
            variables |= {"UV_NO_BUILD": "1", "PIP_ONLY_BINARY": ":all:"}
        else:
            variables["HOME"] = "/tmp"  # noqa: S108 - its own
        try:
            done = subprocess.run(
                self._confined(command, folder),
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            return _Ended(127, f"{command[0]} cannot be run: {error.strerror}")
        words = (done.stderr or done.stdout).strip()
        if done.returncode and "--offline" not in command:
            self._say(words[-4000:])
            return _Ended(
                done.returncode, f"exit code {done.returncode}: {' '.join(words[-_END_CHARACTERS:].split())}"
            )
        return _Ended(done.returncode, "")

    def _confined(self, command: Sequence[str], folder: Path) -> list[str]:
        if self._bwrap is None:
            return [*command]
        caches = self._environments / "cache"
        caches.mkdir(parents=True, exist_ok=True)
        seen = [folder, Path(os.path.realpath(command[0])).parent]
        for word in command:
            if word.startswith("/") and Path(word).name.startswith("python"):
                seen += map(Path, python_folders(Path(word)))
        options = ["--unshare-all", "--share-net", "--die-with-parent", "--cap-drop", "ALL"]
        options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - its own
        for path in (*SYSTEM, *_NAMES_AND_CERTIFICATES):
            options += ["--ro-bind-try", path, path]
        for name in (
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "REQUESTS_CA_BUNDLE",
            "PIP_CERT",
            "PIP_FIND_LINKS",
            "UV_FIND_LINKS",
        ):
            if os.environ.get(name, "").startswith("/"):
                options += ["--ro-bind-try", os.environ[name], os.environ[name]]
        for seen_folder in seen:
            if seen_folder.is_dir() and not seen_folder.is_relative_to(self._environments):
                options += ["--ro-bind", str(seen_folder), str(seen_folder)]
        options += ["--bind", str(self._environments), str(self._environments), "--chdir", str(folder)]
        return [self._bwrap, *options, "--", *command]
