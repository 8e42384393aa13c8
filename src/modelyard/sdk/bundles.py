"""A version as one file: its manifest, its record and its bytes, to be kept, sent on and verified without a server.

The file is an uncompressed tar archive with its members in this order:

    modelyard-bundle.json   format, reference, version digest, record digest, description, tags
    manifest.json           canonical bytes; their sha256 is the version digest
    record.json             canonical bytes; their sha256 is the record digest
    files/PATH …            the bytes of each file, in the order of the manifest

Equal versions make equal bundles, except for their reference and annotations.

>>> client.bundles.write("fraud/scorer:12", "scorer.tar")  # doctest: +SKIP
>>> my.verify_bundle("scorer.tar").digest                   # doctest: +SKIP
'sha256:3b1c…'
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BundleDamaged, Conflict, Invalid, InvalidDigest
from modelyard.domain.manifest import Manifest
from modelyard.sdk import pull as pulling
from modelyard.sdk import push as pushing
from modelyard.sdk.files import LocalFile
from modelyard.sdk.progress import Progress, Silent
from modelyard.sdk.session import Feature
from modelyard.sdk.views import Version
from modelyard.wire import versions as wire

HEAD, MANIFEST, RECORD, FILES = "modelyard-bundle.json", "manifest.json", "record.json", "files/"
FORMAT = 1
_LONGEST_PART = 256 << 20
_BLOCK_BYTES = 1 << 20


class Head(msgspec.Struct, kw_only=True):
    """What the bundle says of itself. Only the two digests are proved by its content."""

    format: int
    reference: str
    digest: str
    record_digest: str
    description: str = ""
    tags: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every byte is the one that its two digests stand for."""

    reference: str
    """As the registry that wrote the bundle named the version."""
    digest: str
    record_digest: str
    description: str
    tags: Mapping[str, str]
    record: Mapping[str, Any]
    manifest: Manifest


class Bundles(Feature):
    """`client.bundles`."""

    def write(self, ref: str, to: str | os.PathLike[str], *, progress: Progress | None = None) -> Bundle:
        """Write a version with its record into one file. An existing file is replaced when the new one is complete.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            to: The file to write.
            progress: Receives each phase and the bytes moved; None: no progress is reported.

        Returns:
            The content of the bundle.

        Raises:
            Conflict: Files of the version are withheld, so a bundle of it could not be verified.
            VersionQuarantined: The version is in quarantine; the error says who can release it.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.bundles.write("fraud/scorer@production", "scorer.tar").reference
            'fraud/scorer:12'
        """
        target = Path(to)
        with tempfile.TemporaryDirectory(prefix="modelyard-bundle-", ignore_cleanup_errors=True) as place:
            # The name could be moved between two questions; the number cannot.
            version = self._session.resolve(ref)
            pulled = pulling.pull_version(
                self._session, version.reference, Path(place) / "files", progress=progress
            )
            if pulled.left_out:
                raise Conflict(
                    reason=f"files of {version.reference} are withheld, so a bundle of it could not be verified: "
                    + ", ".join(file.path for file in pulled.left_out[:5]),
                    fix=f"Pull the other files: modelyard pull {version.reference} --record",
                )
            shown = self._get(self._version(version.reference), Version)
            record = pulling.find_record(self._session, version)
            head = Head(
                format=FORMAT,
                reference=version.reference,
                digest=version.digest,
                record_digest=version.record_digest,
                description=shown.description,
                tags=shown.tags,
            )
            partial = target.with_name(f".{target.name}.part")
            try:
                with partial.open("wb") as file:
                    _write(file, head, pulled.manifest, record, pulled.folder)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        return _content(head, pulled.manifest, msgspec.json.decode(record))

    def push(self, file: str | os.PathLike[str], model: str, *, progress: Progress | None = None) -> Version:
        """Register the version in a bundle as the next version of a model, here or in another registry.

        The version digest and the record digest stay the same, so both registries name the same version. A bundle that
        is not intact is refused before anything is sent.

        Args:
            file: The bundle.
            model: Name of the model; the namespace may be omitted if your account has a default one.
            progress: Receives each phase and the bytes moved; None: no progress is reported.

        Returns:
            The version; `created` is False when it existed before.

        Raises:
            Invalid: The file is not a bundle.
            BundleDamaged: A part of it was changed.
            Denied: Your role does not allow this.

        Example:
            >>> client.bundles.push("scorer.tar", "fraud/scorer").reference
            'fraud/scorer:1'
        """
        name = str(self._session.model_name(model))
        with tempfile.TemporaryDirectory(prefix="modelyard-bundle-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            found = _read(Path(file), folder)
            files = [
                _local(path.path, folder / str(number)) for number, path in enumerate(found.manifest.files)
            ]
            wanted = wire.RegisterVersion(
                files=[], facts=dict(found.record), description=found.description, tags=dict(found.tags)
            )
            version = pushing.push_files(self._session, name, files, wanted, progress or Silent())
        if (version.digest, version.record_digest) != (found.digest, found.record_digest):
            raise Conflict(
                reason=f"{version.reference} has other digests than the bundle: the registry keeps records in another form",
                fix=f"Compare them: modelyard show {version.reference} --record",
            )
        return version


def verify_bundle(file: str | os.PathLike[str], *, digest: str | None = None) -> Bundle:
    """Verify a version in one file, without a server: every byte of its files, its manifest and its record.

    Args:
        file: The bundle.
        digest: The version digest that it must have; None: the one that it names itself, which shows that it is
            whole, but not which version it is.

    Returns:
        Its content.

    Raises:
        Invalid: The file is not a bundle.
        InvalidDigest: `digest` is not a digest.
        BundleDamaged: A part of it was changed, or it holds another version than `digest` says.

    Example:
        >>> my.verify_bundle("scorer.tar", digest="sha256:3b1c…").reference
        'fraud/scorer:12'
    """
    found = _read(Path(file), None)
    if digest is not None and Digest.parse(digest) != found.digest:
        raise BundleDamaged(path=str(file), part="the version", expected=digest, actual=found.digest)
    return found


# --- writing ---------------------------------------------------------------------------------------------


def _write(file: IO[bytes], head: Head, manifest: Manifest, record: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in (
            (HEAD, canonical_json(msgspec.to_builtins(head))),
            (MANIFEST, manifest.canonical_bytes),
            (RECORD, record),
        ):
            archive.addfile(_member(name, len(data)), io.BytesIO(data))
        for each in manifest.files:
            with (folder / each.path).open("rb") as source:
                archive.addfile(_member(FILES + each.path, each.size_bytes), source)


def _member(name: str, size_bytes: int) -> tarfile.TarInfo:
    """Without a time and an owner, so that the same version makes the same bytes."""
    found = tarfile.TarInfo(name)
    found.size, found.mode = size_bytes, 0o644
    return found


# --- reading ---------------------------------------------------------------------------------------------


def _read(path: Path, folder: Path | None) -> Bundle:
    """Return the content of a bundle after checking every byte; folder: where its files go, named by their number.

    Raises Invalid, BundleDamaged.
    """
    try:
        with tarfile.open(path, mode="r:") as archive:
            return _checked(archive, path, folder)
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as exc:
        raise _no_bundle(path, str(exc)) from exc


def _checked(archive: tarfile.TarFile, path: Path, folder: Path | None) -> Bundle:
    members = _members(archive, path)
    try:
        head = msgspec.json.decode(_part(archive, members, HEAD, path), type=Head)
    except msgspec.MsgspecError as exc:
        raise _no_bundle(path, f"{HEAD} does not say what is in it") from exc
    if head.format != FORMAT:
        raise Invalid(
            reason=f"{path} has the bundle format {head.format}, and this release reads {FORMAT}",
            fix="Read it with a newer release",
        )
    written = _part(archive, members, MANIFEST, path)
    _same(path, MANIFEST, head.digest, Digest.of(written))
    manifest = pulling.checked_manifest(written)
    record = _part(archive, members, RECORD, path)
    _same(path, RECORD, head.record_digest, Digest.of(record))
    for number, each in enumerate(manifest.files):
        member = next(members, None)
        if member is None or member.name != FILES + each.path:
            raise _no_bundle(path, f"{each.path} is missing or not in its place")
        source = archive.extractfile(member)
        assert source is not None
        actual = _copied(source, None if folder is None else folder / str(number))
        _same(path, each.path, str(each.digest), actual)
    extra = next(members, None)
    if extra is not None:
        raise _no_bundle(path, f"it holds {extra.name[:100]!r}, which its manifest does not name")
    try:
        facts = msgspec.json.decode(record, type=dict[str, Any])
    except msgspec.MsgspecError as exc:
        raise _no_bundle(path, "its record is not JSON") from exc
    return _content(head, manifest, facts)


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        if not member.isreg() or member.issparse():
            raise _no_bundle(path, f"{member.name[:100]!r} is not a plain file")
        yield member


def _part(archive: tarfile.TarFile, members: Iterator[tarfile.TarInfo], name: str, path: Path) -> bytes:
    member = next(members, None)
    if member is None or member.name != name or member.size > _LONGEST_PART:
        raise _no_bundle(path, f"{name} is missing, too large or not in its place")
    source = archive.extractfile(member)
    assert source is not None
    return source.read()


def _copied(source: IO[bytes], to: Path | None) -> Digest:
    hasher = hashlib.sha256()
    with Path(os.devnull if to is None else to).open("wb") as out:
        while block := source.read(_BLOCK_BYTES):
            hasher.update(block)
            out.write(block)
    return Digest.from_hex(hasher.hexdigest())


def _same(path: Path, part: str, expected: str, actual: Digest) -> None:
    try:
        wanted = Digest.parse(expected)
    except InvalidDigest as exc:
        raise _no_bundle(path, f"{expected[:80]!r} is not a digest") from exc
    if wanted != actual:
        raise BundleDamaged(path=str(path), part=part, expected=expected, actual=actual)


def _no_bundle(path: Path, why: str) -> Invalid:
    return Invalid(
        reason=f"{path} is not a whole bundle of a version: {why[:200]}",
        fix="Write it again: modelyard bundle write REF FILE",
    )


def _content(head: Head, manifest: Manifest, record: Mapping[str, Any]) -> Bundle:
    return Bundle(
        head.reference, head.digest, head.record_digest, head.description, head.tags, record, manifest
    )


def _local(path: str, source: Path) -> LocalFile:
    info = source.stat()
    return LocalFile(path, source, info.st_size, info.st_mtime_ns)
