"""Manifest: a version's files by digest, its canonical bytes and its own digest.

The bytes are the OCI manifest of a ModelPack artifact, one raw layer per file. There is no name and
no time in them, so equal content has an equal digest everywhere.
Source: OCI image specification 1.1 (manifest), CNCF ModelPack model-spec (media types, config).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from modelyard.domain.canonical import encode_text
from modelyard.domain.digest import Descriptor, Digest
from modelyard.domain.errors import InvalidManifest, InvalidPath
from modelyard.domain.paths import check_path

MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_MEDIA_TYPE = "application/vnd.cncf.model.config.v1+json"
_LAYER = "application/vnd.cncf.model.{}.v1.raw"

TITLE = "org.opencontainers.image.title"
FILEPATH = "org.cncf.model.filepath"

# Part of the identity of every version: never change what an existing suffix maps to.
_CONFIG_NAMES = frozenset(
    {"mlmodel", "requirements.txt", "conda.yaml", "python_env.yaml", "vocab.txt", "merges.txt"}
)
_CONFIG_SUFFIXES = frozenset({"json", "yaml", "yml", "toml", "ini", "cfg", "xml", "jinja", "jsonl", "proto"})
_DOC_SUFFIXES = frozenset({"md", "rst", "txt", "pdf", "html", "ipynb", "png", "jpg", "jpeg", "svg", "license"})
_DOC_NAMES = frozenset({"license", "licence", "notice", "readme"})
_CODE_SUFFIXES = frozenset(
    {"py", "pyi", "sh", "c", "cc", "cpp", "h", "cu", "rs", "go", "js", "ts", "r", "jl", "ipy"}
)


def media_type_of(path: str) -> str:
    """Return the ModelPack layer type of a file, from its name alone."""
    name = path.rsplit("/", 1)[-1].lower()
    suffix = name.rsplit(".", 1)[-1] if "." in name else ""
    if name in _CONFIG_NAMES or suffix in _CONFIG_SUFFIXES:
        return _LAYER.format("weight.config")
    if name in _DOC_NAMES or suffix in _DOC_SUFFIXES:
        return _LAYER.format("doc")
    if suffix in _CODE_SUFFIXES:
        return _LAYER.format("code")
    return _LAYER.format("weight")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a version: its path and its bytes by digest."""

    path: str
    digest: Digest
    size_bytes: int

    @property
    def media_type(self) -> str:
        return media_type_of(self.path)


@dataclass(frozen=True)
class Manifest:
    """Files ordered by path; every path is valid and unique."""

    files: tuple[File, ...]

    @classmethod
    def of(
        cls,
        files: Iterable[File],
        max_files: int | None = None,
        check: Callable[[str], str] = check_path,
    ) -> Manifest:
        """check: raises InvalidPath for a path that is not accepted. Raises InvalidManifest or InvalidPath."""
        ordered = tuple(sorted(files, key=lambda f: f.path))
        if not ordered:
            raise InvalidManifest(reason="it has no files")
        if max_files is not None and len(ordered) > max_files:
            raise InvalidManifest(reason=f"it has {len(ordered)} files, at most {max_files} are allowed")
        sizes: dict[Digest, int] = {}
        for file in ordered:
            check(file.path)
            if file.size_bytes < 0:
                raise InvalidManifest(reason=f"{file.path!r} has a negative size")
            if sizes.setdefault(file.digest, file.size_bytes) != file.size_bytes:
                raise InvalidManifest(reason=f"{file.digest} is listed with two sizes")
        _refuse_clashes(ordered)
        return cls(ordered)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest that `canonical_bytes` made."""
        # The hook is written in Python, so that other threads can run while a hundred thousand layers are parsed.
        files = tuple(json.loads(data, object_hook=_read_layer)["layers"])
        if not all(isinstance(file, File) for file in files):
            raise TypeError("a layer is not an object with annotations")
        return cls(files)

    @cached_property
    def config_bytes(self) -> bytes:
        """Return the ModelPack config, which is derived from the layers alone and therefore never stored."""
        diff_ids = ",".join([f'"{file.digest}"' for file in self.files])
        return (
            f'{{"config":{{}},"descriptor":{{}},"modelfs":{{"diffIds":[{diff_ids}],"type":"layers"}}}}'.encode()
        )

    @cached_property
    def config(self) -> Descriptor:
        return Descriptor(Digest.of(self.config_bytes), len(self.config_bytes), CONFIG_MEDIA_TYPE)

    @cached_property
    def canonical_bytes(self) -> bytes:
        """Return canonical JSON.

        It is put together here, since only paths need an encoder; encoding the whole takes three times as long.
        """
        config = self.config
        layers = ",".join(map(_layer_json, self.files))
        return (
            f'{{"artifactType":"{ARTIFACT_TYPE}","config":{{"digest":"{config.digest}",'
            f'"mediaType":"{config.media_type}","size":{config.size_bytes}}},"layers":[{layers}],'
            f'"mediaType":"{MANIFEST_MEDIA_TYPE}","schemaVersion":2}}'
        ).encode()

    @cached_property
    def digest(self) -> Digest:
        """Return the version digest."""
        return Digest.of(self.canonical_bytes)

    @property
    def size_bytes(self) -> int:
        return sum(f.size_bytes for f in self.files)

    def find(self, path: str) -> File | None:
        return next((f for f in self.files if f.path == path), None)


def _read_layer(value: dict[str, Any]) -> File | dict[str, Any]:
    """Return the file of a layer; return the other objects of a manifest unchanged."""
    notes = value.get("annotations")
    return value if notes is None else File(notes[FILEPATH], Digest(value["digest"]), value["size"])


def _layer_json(file: File) -> str:
    path = encode_text(file.path)
    return (
        f'{{"annotations":{{"{FILEPATH}":{path},"{TITLE}":{path}}},"digest":"{file.digest}",'
        f'"mediaType":"{file.media_type}","size":{file.size_bytes}}}'
    )


def _refuse_clashes(files: Sequence[File]) -> None:
    """Refuse two paths that a file system could not tell apart: equal except for case, or file and folder."""
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for file in files:
        folded = unicodedata.normalize("NFC", file.path.casefold())
        if folded in seen:
            other = seen[folded]
            reason = "it is listed twice" if other == file.path else f"it differs from {other!r} only in case"
            raise InvalidPath(path=file.path, reason=reason)
        seen[folded] = file.path
        parts = folded.split("/")
        originals = file.path.split("/")
        for depth in range(1, len(parts)):
            folder, original = "/".join(parts[:depth]), "/".join(originals[:depth])
            if folders.setdefault(folder, original) != original:
                raise InvalidPath(
                    path=file.path, reason=f"its folder differs from {folders[folder]!r} only in case"
                )
    for folded, path in seen.items():
        if folded in folders:
            raise InvalidPath(path=path, reason="it is both a file and a folder")
