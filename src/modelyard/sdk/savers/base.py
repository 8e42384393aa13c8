"""What a saver is, what it leaves next to the model files, and how that is checked before it is used."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from modelyard.domain.errors import Invalid, InvalidPath, NoSaver
from modelyard.domain.paths import check_placement

LOADER_FILE = "modelyard.json"
FORMAT_VERSION = 1
MAX_LOADER_BYTES = 4 * 1024 * 1024
MAX_FILES = 10_000

Trust = bool | Sequence[str]
"""False: only what cannot run code; True: code that rebuilds data too; a list: these names too; "unsafe": anything."""
UNSAFE = "unsafe"
FIRST_SAFE_TORCH = (2, 6)
"""Before this release, `weights_only` could be made to run code (CVE-2025-32434)."""


@dataclass(frozen=True)
class SavedModel:
    """What a saver did. `files`: paths relative to the folder, `/` between parts.

    class_path: module and name of the object's class. versions: of the packages a loader needs.
    extra: JSON values for the saver itself; `not_restored` in it lists in words what a load will not
    bring back.
    """

    framework: str
    class_path: str
    files: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    signature: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Saver(Protocol):
    """Built without arguments. Importing its module and asking `claims` must import no framework."""

    name: str
    """What `modelyard.json` calls it; unique."""
    priority: int
    """Savers are asked from the highest to the lowest; the built-in ones have 10 to 60."""

    def claims(self, obj: object) -> bool:
        """Whether this saver saves such an object. Looks at type names only (`class_names`)."""
        ...

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        """Write the files into the existing folder. Raises NoSaver when this one object cannot be saved."""
        ...

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        """Load the object again. `spec` is what `save` returned, checked in shape but not in meaning.

        options: what the caller passed to `my.load` besides `trust`; refuse others with `take_options`.
        Raises UntrustedModel when loading would run code that `trust` does not allow.
        """
        ...


@dataclass(frozen=True)
class LoaderSpec:
    """A `modelyard.json`, with every field of the right type and every path valid."""

    saver: str
    framework: str
    class_path: str
    files: tuple[str, ...]
    versions: Mapping[str, str]
    signature: Mapping[str, Any] | None
    extra: Mapping[str, Any]

    def only_file(self, folder: Path, suffix: str) -> Path:
        """Return the one model file, which must end in `suffix`. Raises Invalid."""
        if len(self.files) != 1 or not self.files[0].endswith(suffix):
            raise Invalid(reason=f"{LOADER_FILE} of the saver {self.saver!r} must name one file *{suffix}")
        return checked_file(folder, self.files[0])


def write_loader(folder: Path, saver: str, saved: SavedModel) -> None:
    value = {
        "format_version": FORMAT_VERSION,
        "saver": saver,
        "framework": saved.framework,
        "class": saved.class_path,
        "versions": dict(saved.versions),
        "files": sorted(saved.files),
        "signature": saved.signature,
        "extra": dict(saved.extra),
    }
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    (folder / LOADER_FILE).write_text(text + "\n", encoding="utf-8")


def read_loader(folder: Path) -> LoaderSpec:
    """Read the loader file. Raises NoSaver when there is none, Invalid or InvalidPath when `write_loader` did not make it."""
    path = folder / LOADER_FILE
    if not path.is_file():
        raise NoSaver(what=str(folder), reason=f"it has no {LOADER_FILE}", fix="Use my.pull to get its files")
    checked_file(folder, LOADER_FILE)
    if path.stat().st_size > MAX_LOADER_BYTES:
        raise Invalid(reason=f"{path} is larger than {MAX_LOADER_BYTES} bytes")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise Invalid(reason=f"{path} is not valid JSON") from None
    return _spec_of(value, folder)


def _spec_of(value: Any, folder: Path) -> LoaderSpec:
    def field_of(name: str, kind: type | tuple[type, ...]) -> Any:
        found = value.get(name)
        if not isinstance(found, kind):
            raise Invalid(reason=f"{LOADER_FILE} lacks a valid {name!r}")
        return found

    if not isinstance(value, dict):
        raise Invalid(reason=f"{LOADER_FILE} is no object")
    if field_of("format_version", int) != FORMAT_VERSION:
        raise Invalid(
            reason=f"{LOADER_FILE} has format version {value['format_version']}, this client reads {FORMAT_VERSION}",
            fix="Install a newer modelyard",
        )
    files, versions = field_of("files", list), field_of("versions", dict)
    if not 0 < len(files) <= MAX_FILES or not all(isinstance(f, str) for f in files):
        raise Invalid(reason=f"{LOADER_FILE} lacks a valid 'files'")
    if not all(isinstance(v, str) for v in versions.values()):
        raise Invalid(reason=f"{LOADER_FILE} lacks a valid 'versions'")
    for file in files:
        checked_file(folder, file)
    return LoaderSpec(
        saver=field_of("saver", str),
        framework=field_of("framework", str),
        class_path=field_of("class", str),
        files=tuple(files),
        versions=versions,
        signature=field_of("signature", (dict, type(None))),
        extra=field_of("extra", dict),
    )


def checked_file(folder: Path, relative: str) -> Path:
    """Return a regular file inside of the folder, reached without links below it. Raises InvalidPath."""
    check_placement(relative)
    path = folder
    for part in relative.split("/"):
        path = path / part
        if path.is_symlink():
            raise InvalidPath(path=relative, reason="it goes through a link")
    if not path.is_file():
        raise InvalidPath(path=relative, reason=f"{LOADER_FILE} names it, but there is no such file")
    return path


def class_names(obj: object) -> set[str]:
    """`package.Name` of the object's class and its bases, with the top package only: `sklearn.Pipeline`."""
    return {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(obj).__mro__}


def class_path_of(obj: object) -> str:
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def require(module: str, what: str) -> Any:
    """Import a library that saving or loading needs. Raises NoSaver with what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        package = {"sklearn": "scikit-learn"}.get(package, package)
        raise NoSaver(
            what=what, reason=f"it needs the package {package}", fix=f"Install it with: pip install {package}"
        ) from error


def require_weights_only(what: str) -> Any:
    """torch, of a release whose `weights_only` runs nothing. Raises NoSaver."""
    torch = require("torch", what)
    release = tuple(
        int(part) for part in str(torch.__version__).split("+")[0].split(".")[:2] if part.isdecimal()
    )
    if release < FIRST_SAFE_TORCH:
        raise NoSaver(
            what=what,
            reason=f"torch {torch.__version__} can run code of a file that it reads as weights alone (CVE-2025-32434)",
            fix='Install a newer one with: pip install "torch>=2.6"',
        )
    return torch


def trusted_names(trust: Trust) -> frozenset[str]:
    """Return the names that the caller lists. Raises Invalid for a text, which is not a list."""
    if isinstance(trust, bool):
        return frozenset()
    if isinstance(trust, str):
        raise Invalid(
            reason=f"trust={trust[:80]!r} is neither {UNSAFE!r} nor a list",
            fix="Pass the names as a list: trust=['my_corp.utils.Helper']",
        )
    return frozenset(trust)


def versions_of(*packages: str) -> dict[str, str]:
    """Installed versions; a package that is not installed is left out."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def take_options(options: Mapping[str, Any], *known: str) -> list[Any]:
    """Return the values of `known`, None for those not passed. Raises Invalid for any other option."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise Invalid(
            reason=f"this model is not loaded with {', '.join(unknown)}",
            fix=f"Possible here: {', '.join(['trust', *known])}",
        )
    return [options.get(name) for name in known]
