"""The saver protocol, the loader file next to the model files, and its checks before use."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
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
"""False: nothing that runs code; True: also code that rebuilds data; a list: also these names; "unsafe": anything."""
UNSAFE = "unsafe"
FIRST_SAFE_TORCH = (2, 6)
"""Before this release, `weights_only` could be made to run code (CVE-2025-32434)."""


@dataclass(frozen=True)
class SavedModel:
    """Result of a saver. `files`: paths relative to the folder, `/` between parts.

    class_path: module and name of the object's class. versions: of the packages that loading needs.
    extra: JSON values for the saver itself; its `not_restored` lists in words what loading does not restore.
    uses: names, `module.name`, that loading looks up; the program's own code among them is stored with the model.
    """

    framework: str
    class_path: str
    files: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    signature: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnCode:
    """Source code stored with a model. file: relative to its folder. names: the definitions that the model needs."""

    file: str
    names: list[str]


@runtime_checkable
class Saver(Protocol):
    """Support for one kind of model. It is built without arguments; its module and `claims` import no framework."""

    name: str
    """Its name in `modelyard.json`; unique."""
    priority: int
    """Savers are tried from the highest to the lowest; the built-in ones have 10 to 60."""

    def claims(self, obj: object) -> bool:
        """Return whether this saver can save the object. Checks only type names (`class_names`)."""
        ...

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        """Write the files into the existing folder. Raises NoSaver if this object cannot be saved."""
        ...

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        """Load the object again. `spec` is the result of `save`, checked in form but not in meaning.

        options: the caller's other arguments of `my.load`; refuse unknown ones with `take_options`.
        Raises UntrustedModel if loading would run code that `trust` does not allow.
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
    code: Mapping[str, OwnCode] = field(default_factory=dict)
    """Module → its source, if it is stored with the model."""

    def only_file(self, folder: Path, suffix: str) -> Path:
        """Return the one model file, which must end in `suffix`. Raises Invalid."""
        if len(self.files) != 1 or not self.files[0].endswith(suffix):
            raise Invalid(reason=f"{LOADER_FILE} of the saver {self.saver!r} must name one file *{suffix}")
        return checked_file(folder, self.files[0])


def write_loader(
    folder: Path, saver: str, saved: SavedModel, code: Mapping[str, OwnCode] | None = None
) -> None:
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "saver": saver,
        "framework": saved.framework,
        "class": saved.class_path,
        "versions": dict(saved.versions),
        "files": sorted(saved.files),
        "signature": saved.signature,
        "extra": dict(saved.extra),
    }
    if code:
        value["code"] = {module: {"file": own.file, "names": own.names} for module, own in code.items()}
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    (folder / LOADER_FILE).write_text(text + "\n", encoding="utf-8")


def read_loader(folder: Path) -> LoaderSpec:
    """Read the loader file. Raises NoSaver if there is none; Invalid or InvalidPath for any other content."""
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
        raise Invalid(reason=f"{LOADER_FILE} is not a JSON object")
    if field_of("format_version", int) != FORMAT_VERSION:
        raise Invalid(
            reason=f"{LOADER_FILE} has format version {value['format_version']}; this client reads {FORMAT_VERSION}",
            fix="Upgrade with: pip install --upgrade modelyard",
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
        code=_code_of(value.get("code", {}), folder),
    )


def _code_of(value: Any, folder: Path) -> dict[str, OwnCode]:
    if not isinstance(value, dict) or len(value) > MAX_FILES:
        raise Invalid(reason=f"{LOADER_FILE} lacks a valid 'code'")
    found: dict[str, OwnCode] = {}
    for module, own in value.items():
        file = own.get("file") if isinstance(own, dict) else None
        names = own.get("names") if isinstance(own, dict) else None
        is_module = all(part.isidentifier() for part in module.split("."))
        if not (is_module and isinstance(file, str) and isinstance(names, list)):
            raise Invalid(reason=f"{LOADER_FILE} lacks a valid 'code'")
        checked_file(folder, file)
        found[module] = OwnCode(file, [str(name) for name in names])
    return found


def checked_file(folder: Path, relative: str) -> Path:
    """Return a regular file inside the folder, reached without links. Raises InvalidPath."""
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
    """Return `package.Name` of the object's class and its bases, with only the top package: `sklearn.Pipeline`."""
    return {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(obj).__mro__}


def class_path_of(obj: object) -> str:
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def require(module: str, what: str) -> Any:
    """Import a library that saving or loading needs. Raises NoSaver, naming the package to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        extra = EXTRA_OF.get(package)
        raise NoSaver(
            what=what,
            reason=f"it needs the package {_PACKAGE_OF.get(package, package)}",
            fix="Install it with: pip install " + (f'"modelyard[{extra}]"' if extra else package),
        ) from error


_PACKAGE_OF = {"sklearn": "scikit-learn"}
EXTRA_OF = {
    "sklearn": "sklearn",
    "skops": "sklearn",
    "torch": "torch",
    "safetensors": "torch",
    "transformers": "transformers",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "onnx": "onnx",
    "onnxruntime": "onnx",
}
"""The extra of Modelyard that installs a library for saving or loading."""
_ALSO_NEEDED = {"scikit-learn": "skops", "pytorch": "safetensors", "transformers": "safetensors"}


def say_what_lacks(framework: str) -> str:
    """Return a warning about a package that a saver needs besides its framework; empty if none is missing.

    framework: the name of a saver, or of an autologger with the same name. Nothing is imported.
    """
    package = _ALSO_NEEDED.get(framework)
    if package is None or importlib.util.find_spec(package) is not None:
        return ""
    return (
        f"models of {framework} cannot be registered here: the package {package} is not installed. "
        f'Install it with: pip install "modelyard[{EXTRA_OF[package]}]"'
    )


def require_weights_only(what: str) -> Any:
    """Return torch, in a release whose `weights_only` runs nothing. Raises NoSaver."""
    torch = require("torch", what)
    release = tuple(
        int(part) for part in str(torch.__version__).split("+")[0].split(".")[:2] if part.isdecimal()
    )
    if release < FIRST_SAFE_TORCH:
        raise NoSaver(
            what=what,
            reason=f"torch {torch.__version__} can run code of a file that it reads as weights only (CVE-2025-32434)",
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
    """Return installed versions; a package that is not installed is omitted."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


_IN_A_REFERENCE = {
    "version": "fraud/scorer:4",
    "alias": "fraud/scorer@champion",
    "stage": "fraud/scorer@production",
}


def take_options(options: Mapping[str, Any], *known: str) -> list[Any]:
    """Return the values of `known`, None for those not passed. Raises Invalid for any other option."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        # As in other registries, where a version, an alias or a stage is an argument of its own.
        written = next((_IN_A_REFERENCE[name] for name in unknown if name in _IN_A_REFERENCE), None)
        raise Invalid(
            reason=f"this model is not loaded with {', '.join(unknown)}",
            fix=f'Name it in the reference: my.load("{written}")'
            if written
            else f"Possible here: {', '.join(['trust', *known])}",
        )
    return [options.get(name) for name in known]
