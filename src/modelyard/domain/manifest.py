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

from modelyard.domain.canonical import canonical_json
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
    """The ModelPack layer type of a file, from its name alone."""
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
    """One file of a version: where it lies, and which bytes it is."""

    path: str
    digest: Digest
    size_bytes: int

    @property
    def media_type(self) -> str:
        return media_type_of(self.path)


@dataclass(frozen=True)
class Manifest:
    """Files in the order of their paths, each path valid and once."""

    files: tuple[File, ...]

    @classmethod
    def of(
        cls,
        files: Iterable[File],
        max_files: int | None = None,
        check: Callable[[str], str] = check_path,
    ) -> Manifest:
        """check: raises InvalidPath for a path that is not taken. Raises InvalidManifest or InvalidPath."""
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
        """The files of a manifest that `canonical_bytes` made."""
        layers = json.loads(data)["layers"]
        return cls(tuple(File(x["annotations"][FILEPATH], Digest(x["digest"]), x["size"]) for x in layers))

    @cached_property
    def config_bytes(self) -> bytes:
        """The ModelPack config; derived from the layers alone, therefore never stored."""
        diff_ids = [f.digest for f in self.files]
        return canonical_json(
            {"config": {}, "descriptor": {}, "modelfs": {"diffIds": diff_ids, "type": "layers"}}
        )

    @cached_property
    def config(self) -> Descriptor:
        return Descriptor(Digest.of(self.config_bytes), len(self.config_bytes), CONFIG_MEDIA_TYPE)

    @cached_property
    def canonical_bytes(self) -> bytes:
        around = {
            "artifactType": ARTIFACT_TYPE,
            "config": {
                "digest": self.config.digest,
                "mediaType": CONFIG_MEDIA_TYPE,
                "size": self.config.size_bytes,
            },
            "layers": [],
            "mediaType": MANIFEST_MEDIA_TYPE,
            "schemaVersion": 2,
        }
        before, after = canonical_json(around).split(b"[]")
        # One layer at a time: encoding a hundred thousand in one go would hold the interpreter's lock meanwhile.
        return b"".join([before, b"[", b",".join(map(_layer_bytes, self.files)), b"]", after])

    @cached_property
    def digest(self) -> Digest:
        """The version digest."""
        return Digest.of(self.canonical_bytes)

    @property
    def size_bytes(self) -> int:
        return sum(f.size_bytes for f in self.files)

    def find(self, path: str) -> File | None:
        return next((f for f in self.files if f.path == path), None)


def _layer_bytes(file: File) -> bytes:
    return canonical_json(
        {
            "annotations": {TITLE: file.path, FILEPATH: file.path},
            "digest": file.digest,
            "mediaType": file.media_type,
            "size": file.size_bytes,
        }
    )


def _refuse_clashes(files: Sequence[File]) -> None:
    """Two paths that one file system could not hold apart: equal but for case, or file and folder."""
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for file in files:
        folded = unicodedata.normalize("NFC", file.path.casefold())
        if folded in seen:
            other = seen[folded]
            reason = "it is listed twice" if other == file.path else f"it clashes with {other!r} but for case"
            raise InvalidPath(path=file.path, reason=reason)
        seen[folded] = file.path
        parts = folded.split("/")
        originals = file.path.split("/")
        for depth in range(1, len(parts)):
            folder, original = "/".join(parts[:depth]), "/".join(originals[:depth])
            if folders.setdefault(folder, original) != original:
                raise InvalidPath(
                    path=file.path, reason=f"its folder clashes with {folders[folder]!r} but for case"
                )
    for folded, path in seen.items():
        if folded in folders:
            raise InvalidPath(path=path, reason="it is both a file and a folder")
