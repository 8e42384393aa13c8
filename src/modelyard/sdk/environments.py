"""Python environments of builds and deployments: a folder for each key, made once from a lock with hashes, and used by all of
that key.

<environments>/<key>/            a virtual environment, with `lock.txt`
    client/                      the client and its dependencies, last on the path, so that the lock wins
    .complete                    written last: without it the folder is made again
<environments>/<key>.lock        held while the folder is made
The key is the digest of the lock's lines, the exact Python and the platform. A Python is never downloaded.
"""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modelyard.domain.errors import Invalid
from modelyard.sdk.locks import try_lock

_COMPLETE, _LOCK = ".complete", "lock.txt"
_CLIENT_PACKAGES = ("click", "msgspec", "urllib3")
_ASK = "import platform, sys; print(platform.python_version(), sys.implementation.name)"
_SOURCES = ("--index-url", "--extra-index-url", "--find-links", "--no-index", "-i ", "-f ")
_ASK_SECONDS = 20.0
_LOOK_SECONDS = 0.2
_KEPT_SECONDS = 30 * 86_400.0
_NAME = re.compile(r"python3(\.\d+)?$")


class Ended(Protocol):
    """How a program ended. cause: "" by itself. reason: in words."""

    @property
    def exit_code(self) -> int: ...
    @property
    def cause(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def is_ok(self) -> bool: ...


Run = Callable[[Sequence[str], Path], Ended]
"""Runs a program in a folder, with its output in the log."""


@dataclass(frozen=True, slots=True)
class Environment:
    """python: the interpreter of the steps. lock: text of the lock; "": there is none. reused: it existed before."""

    python: Path
    lock: str = ""
    key: str = ""
    reused: bool = False

    @property
    def programs(self) -> Path:
        return self.python.parent


@dataclass(frozen=True, slots=True)
class Needed:
    """What a plan asks for. Paths are those of files in the source; at most one of the two is set.

    lock: a uv.lock, or requirements with hashes. requirements: a file of requirements or a pyproject.toml, of which a lock
    is made. folder: from which the paths in the lock are meant; None: its own. constraints: a file with the versions that
    packages have, if the requirements need them.
    """

    python: str = ""
    lock: Path | None = None
    requirements: Path | None = None
    folder: Path | None = None
    constraints: Path | None = None


class NotMade(Exception):
    """The environment cannot be made; the text says why and what to do."""


def prepare(
    needed: Needed, root: Path, run: Run, say: Callable[[str], None], stopped: Callable[[], bool]
) -> Environment:
    """Return the environment that is needed; make it unless it exists. Raises NotMade."""
    base = find_python(needed.python)
    if needed.lock is None and needed.requirements is None:
        if not needed.python or base[0] == Path(sys.executable):
            say(f"The steps run in the agent's own Python {base[1]}: {base[0]}\n")
            return Environment(base[0])
        lock = ""
    else:
        lock = _lock_of(needed, base[0], root, run)
    key = key_of(lock, base[1])
    folder = root / key
    handle = _wait_for_lock(root / f"{key}.lock", say, stopped)
    try:
        made = Environment(folder / "bin" / "python", lock, key)
        if (folder / _COMPLETE).exists():
            os.utime(folder / _COMPLETE)
            say(f"The environment {key[:12]} exists: {folder}\n")
            return Environment(made.python, lock, key, reused=True)
        say(f"The environment {key[:12]} is made with Python {base[1]}\n")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            source = needed.lock or needed.requirements
            place = needed.folder or (source.parent if source is not None else folder.parent)
            _make(folder, base, lock, run, place)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _forget_old(root)
        return made
    finally:
        os.close(handle)


def key_of(lock: str, python: str) -> str:
    """Return the key of an environment: the same lines in another order, or with other comments, are the same lock."""
    lines = sorted(_lines(lock))
    told = json.dumps([lines, python, sysconfig.get_platform()])
    return hashlib.sha256(told.encode()).hexdigest()


def _lines(lock: str) -> Iterator[str]:
    for line in lock.replace("\\\n", " ").splitlines():
        text = " ".join(line.partition(" #")[0].split())
        if text and not text.startswith("#"):
            yield text


def _wait_for_lock(path: Path, say: Callable[[str], None], stopped: Callable[[], bool]) -> int:
    handle = try_lock(path)
    if handle is None:
        say("Another process makes this environment; waiting for it\n")
    while handle is None:
        if stopped():
            raise NotMade("it was ended while another process made the environment")
        time.sleep(_LOOK_SECONDS)
        handle = try_lock(path)
    return handle


def _forget_old(root: Path) -> None:
    """Delete environments that have not been used for a long time."""
    for complete in root.glob(f"*/{_COMPLETE}"):
        if complete.stat().st_mtime > time.time() - _KEPT_SECONDS:
            continue
        handle = try_lock(root / f"{complete.parent.name}.lock")
        if handle is not None:
            complete.unlink(missing_ok=True)
            shutil.rmtree(complete.parent, ignore_errors=True)
            os.close(handle)


# --- interpreters ------------------------------------------------------------------------------------


def find_python(wanted: str) -> tuple[Path, str]:
    """Return an installed Python of this version, and its exact version. Raises NotMade, which lists those found."""
    own = (Path(sys.executable), ".".join(map(str, sys.version_info[:3])))
    if not wanted or _fits(own[1], wanted):
        return own
    found: dict[str, Path] = {own[1]: own[0]}
    for program in _interpreters():
        version = _version_of(program)
        if version is not None:
            found.setdefault(version, program)
            if _fits(version, wanted):
                return program, version
    listed = ", ".join(sorted(found, key=lambda version: [int(n) for n in re.findall(r"\d+", version)]))
    raise NotMade(
        f"Python {wanted} is not installed on this machine; found: {listed}. Name one of these under "
        "environment.python, or install it there: none is downloaded"
    )


def _fits(version: str, wanted: str) -> bool:
    return version == wanted or version.startswith(f"{wanted}.")


def _interpreters() -> Iterator[Path]:
    folders = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    # Of the account: HOME is a folder of the attempt.
    home = Path(f"~{getpass.getuser()}").expanduser()
    homes = [home / ".pyenv/versions", home / ".local/share/uv/python", Path("/opt/python")]
    folders += [
        place / "bin" for home in homes if home.is_dir() for place in sorted(home.iterdir(), reverse=True)
    ]
    seen: set[Path] = set()
    for folder in [*folders, Path("/usr/local/bin"), Path("/usr/bin")]:
        if not folder.is_dir():
            continue
        for program in sorted(folder.glob("python3*"), reverse=True):
            if _NAME.fullmatch(program.name) and (real := program.resolve()) not in seen:
                seen.add(real)
                yield program


def _version_of(program: Path) -> str | None:
    try:
        done = subprocess.run(
            [program, "-I", "-c", _ASK],
            capture_output=True,
            timeout=_ASK_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, name = done.stdout.strip().partition(" ")
    return version if done.returncode == 0 and name == "cpython" else None


# --- locks -------------------------------------------------------------------------------------------


def _lock_of(needed: Needed, python: Path, root: Path, run: Run) -> str:
    source = needed.lock or needed.requirements
    assert source is not None
    if not source.is_file():
        raise NotMade(f"the source has no file {source.name}. Correct `environment` in the recipe")
    root.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=root))
    try:
        if needed.lock is None:
            return _resolved(source, python, work, run, needed.constraints)
        is_exported = source.name == "uv.lock"
        text = _exported(source, work, run) if is_exported else source.read_text(encoding="utf-8")
        without = [
            line.split()[0] for line in _lines(text) if not line.startswith("-") and "--hash=" not in line
        ]
        if without:
            raise NotMade(
                f"{source.name} has no hashes for {', '.join(without[:5])}, so it is not a lock. Name it under "
                "environment.requirements, or make a lock with: uv pip compile --generate-hashes"
            )
        return text
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _exported(source: Path, work: Path, run: Run) -> str:
    uv = shutil.which("uv")
    if uv is None:
        raise NotMade(
            "uv.lock is read by uv, which is not installed where the build runs. Install it there, or name a file of "
            "requirements with hashes: uv export --format requirements-txt"
        )
    target = work / _LOCK
    command = [uv, "export", "--frozen", "--no-emit-project", "--format", "requirements-txt", "-o", str(target)]
    _done(run(command, source.parent), "uv.lock cannot be read")
    return target.read_text(encoding="utf-8")


def _resolved(source: Path, python: Path, work: Path, run: Run, constraints: Path | None) -> str:
    """Make a lock with hashes of requirements, or of a project's dependencies."""
    limits = [] if constraints is None else ["--constraint", str(constraints)]
    target = work / _LOCK
    uv = shutil.which("uv")
    if uv is not None:
        command = [uv, "pip", "compile", "--generate-hashes", "--no-emit-index-url", "--python", str(python)]
        _done(
            run([*command, *limits, "-o", str(target), str(source)], source.parent),
            f"{source.name} cannot be resolved",
        )
        return _sources_of(source) + target.read_text(encoding="utf-8")
    told = work / "report.json"
    requirements = _plain_requirements(source, work)
    command = [str(python), "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--disable-pip-version-check", "--report", str(told), *limits, "-r", str(requirements)]
    _done(run(command, source.parent), f"{source.name} cannot be resolved")
    lines: list[str] = []
    for item in json.loads(told.read_text())["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        digest = item.get("download_info", {}).get("archive_info", {}).get("hashes", {}).get("sha256")
        if digest is None:
            raise NotMade(
                f"{source.name} names {name} by an address without a hash. Name a release of it instead"
            )
        lines.append(f"{name}=={version} --hash=sha256:{digest}")
    return _sources_of(source) + "\n".join(sorted(lines)) + "\n"


def _sources_of(requirements: Path) -> str:
    """Return the lines that say where packages come from; those of a project are in its own file. Addresses with an account
    are left out, since the lock is kept with the run."""
    if requirements.suffix == ".toml":
        return ""
    lines = _lines(requirements.read_text(encoding="utf-8"))
    return "".join(f"{line}\n" for line in lines if line.startswith(_SOURCES) and "@" not in line)


def _plain_requirements(source: Path, work: Path) -> Path:
    if source.suffix != ".toml":
        return source
    try:
        project = tomllib.loads(source.read_text(encoding="utf-8")).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotMade(f"{source.name} is not valid TOML: {error}") from None
    target = work / "requirements.txt"
    target.write_text("".join(f"{line}\n" for line in project.get("dependencies", ())), encoding="utf-8")
    return target


def _done(ended: Ended, failure: str) -> None:
    if ended.cause:
        raise NotMade(ended.reason)
    if ended.exit_code:
        raise NotMade(f"{failure}: {ended.reason}. The log of the step says why")


# --- making ------------------------------------------------------------------------------------------


def _make(folder: Path, base: tuple[Path, str], lock: str, run: Run, source: Path) -> None:
    """source: folder of the lock, from which the paths in it are meant."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    python = folder / "bin" / "python"
    if uv is not None:
        _done(run([uv, "venv", "--quiet", "--python", str(base[0]), str(folder)], folder.parent), "no venv")
    else:
        _done(
            run([str(base[0]), "-m", "venv", str(folder)], folder.parent), "no virtual environment can be made"
        )
    (folder / _LOCK).write_text(lock, encoding="utf-8")
    if lock:
        command = _install(uv, python)
        # Paths in a lock are meant from its own folder.
        with tempfile.NamedTemporaryFile(
            "w", dir=source, prefix=".lock-", suffix=".txt", encoding="utf-8"
        ) as file:
            file.write(lock)
            file.flush()
            command += ["--require-hashes", "--no-deps", "-r", file.name]
            # From the cache alone first: an index that is away, or slow, matters only for what is new.
            if uv is None or not run([*command, "--offline", "-qq"], source).is_ok:
                _done(run(command, source), "the packages of the lock cannot be installed")
        if uv is not None:
            # Read-only environments keep no bytecode; uv makes none unless it is asked.
            run([str(python), "-m", "compileall", "-q", "-j", "0", str(folder / "lib")], folder)
    _add_client(folder, base[1], _install(uv, python), run)
    (folder / _COMPLETE).touch()


def _install(uv: str | None, python: Path) -> list[str]:
    if uv is not None:
        return [uv, "pip", "install", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]


def _add_client(folder: Path, version: str, install: list[str], run: Run) -> None:
    """Make our client importable, after everything that the lock names."""
    client = folder / "client"
    client.mkdir()
    if version.split(".")[:2] == [str(part) for part in sys.version_info[:2]]:
        for name in _CLIENT_PACKAGES:
            _link(name, client)
    else:
        # These have parts that fit one Python only.
        run([*install, "--target", str(client), *_CLIENT_PACKAGES], folder)
    _link("modelyard", client)
    (site,) = (folder / "lib").glob("python3*/site-packages")
    (site / "zz-modelyard-client.pth").write_text(f"{client}\n")


def _link(name: str, client: Path) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise Invalid(reason=f"the agent's own package {name} is not found", fix="Install the client again")
    origin = Path(spec.origin)
    source = origin.parent if origin.name == "__init__.py" else origin
    (client / source.name).symlink_to(source)
