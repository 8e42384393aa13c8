"""Container images of versions: what they are made of, written into a folder, and the programs that make them."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelyard.domain.errors import Conflict, Invalid
from modelyard.sdk.environment import requirements_text
from modelyard.sdk.own_wheel import write_own_wheel
from modelyard.sdk.pull import find_manifest, find_record, pull
from modelyard.sdk.runs.lock import files_of_run, lock_of_run
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.session import Feature
from modelyard.sdk.source_bundle import make_bundle, unpack_bundle
from modelyard.sdk.versions import Versions
from modelyard.sdk.views import Version
from modelyard.wire import versions as wire

BUILDERS = ("buildah", "podman", "docker")
"""Programs that make images, in the order in which they are looked for."""
_CODE = "code/"
_FILE = "Containerfile"
_PIP = "--no-cache-dir --disable-pip-version-check"
PORT = 8080
"""At which orders for such images have them answer."""


class ImageContext(msgspec.Struct, frozen=True):
    """A folder from which an image is made. exact: the packages have hashes. has_code: the code is in it."""

    folder: Path
    reference: str
    exact: bool
    has_code: bool

    def describe(self) -> str:
        """Say what is in the folder."""
        packages = "the lock of its run" if self.exact else "the packages of its record, which have no hashes"
        return f"{packages}, its files{' and its code' if self.has_code else '; its code was not kept'}"


class Images(Feature):
    """`client.images`: container images of versions."""

    def write(
        self,
        ref: str,
        to: str | Path | None = None,
        *,
        source: str | Path | None = None,
        base: str | None = None,
    ) -> ImageContext:
        """Write everything that an image of a version is made of into a folder, with a Containerfile.

        The packages are those of the lock that its run kept, otherwise those of its record. The files are in `model`,
        verified by their digests, and the record is in `version.json`. The code is that which its run kept. The scorer, which
        serves the version when the image is started, is the one of this release.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            to: An empty or new folder; None: `NAME-NUMBER-image` in the current one.
            source: The folder that was built, for a version that a build registered. Its content must have the digest of the
                source in the record. None: the image has the code only if the run kept it.
            base: The base image; None: the official one of the recorded Python.

        Returns:
            The folder, and how exact it is.

        Raises:
            Conflict: The folder is not empty, or `source` is not what was built.
            Invalid: The version's record has no environment.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.images.write("fraud/scorer:12").folder
            PosixPath('scorer-12-image')
        """
        versions = Versions(self._session)
        version = versions.get(ref)
        record = versions.record(version.reference)
        environment = record.get("environment")
        if not environment or not environment.get("python"):
            raise Invalid(
                reason=f"the record of {version.reference} has no environment, so that no image can be made of it",
                fix="Register versions with: modelyard run --register MODEL -- python train.py",
            )
        folder = (
            Path(to) if to is not None else Path(f"{version.model.partition('/')[2]}-{version.version}-image")
        )
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Conflict(reason=f"{folder} is not empty", fix="Name another folder")
        pull(self._session, version.reference, folder / "model")
        shutil.rmtree(folder / "model" / ".cache", ignore_errors=True)
        lock = lock_of_run(self._session, record)
        (folder / "requirements.txt").write_text(lock or requirements_text(environment), encoding="utf-8")
        has_code = self._write_code(record, folder, Path(source) if source is not None else None)
        resolved, manifest = find_manifest(self._session, version.reference)
        (folder / "manifest.json").write_bytes(manifest.canonical_bytes)
        (folder / "record.json").write_bytes(find_record(self._session, resolved))
        wheel = write_own_wheel(folder)
        told = {
            "reference": version.reference,
            "digest": version.digest,
            "record_digest": version.record_digest,
        }
        (folder / "version.json").write_text(
            json.dumps({**told, "record": record}, indent=2, sort_keys=True) + "\n"
        )
        text = containerfile(version, record, base, wheel.name, exact=bool(lock), has_code=has_code)
        (folder / _FILE).write_text(text, encoding="utf-8")
        return ImageContext(folder, version.reference, bool(lock), has_code)

    def build(
        self,
        context: ImageContext,
        *,
        builder: str | None = None,
        tag: str | None = None,
        push: bool = False,
        options: Sequence[str] = (),
        log: Callable[[str], object] = print,
    ) -> Version:
        """Make the image of a folder that `write` filled, and record its digest with the version.

        Args:
            context: The folder.
            builder: buildah, podman or docker; None: the first of them that is installed.
            tag: Name of the image; None: `NAMESPACE/NAME:NUMBER`. With `push`, its registry is part of the name.
            push: Also push the image, and record its digest in that registry.
            options: Further words for the builder's command.
            log: Receives the output, line by line.

        Returns:
            The version; its `image` is the one that was made.

        Raises:
            Invalid: No builder is installed, or it failed.
            Denied: Your role does not allow this.

        Example:
            >>> client.images.build(client.images.write("fraud/scorer:12")).image.digest
            'sha256:7b0e…'
        """
        program = builder or installed_builder()
        if program is None or shutil.which(program) is None:
            raise Invalid(
                reason=f"{program or 'none of ' + ', '.join(BUILDERS)} is not installed here",
                fix=f"Install one of {', '.join(BUILDERS)}, or make the image elsewhere from the folder",
            )
        name = tag or context.reference
        with tempfile.TemporaryDirectory(prefix="modelyard-image-") as scratch:
            note = Path(scratch) / "note"
            words = [program, "build", "--iidfile", str(note), "-f", str(context.folder / _FILE), "-t", name]
            if program != "docker":
                # The same version and base give the same digest again.
                words += ["--timestamp", "0"]
            _run([*words, *options, str(context.folder)], log)
            image = note.read_text().strip()
            digest = image if ":" in image else f"sha256:{image}"
            if push and program == "docker":
                _run([program, "push", name], log)
                pushed = _run([program, "image", "inspect", "-f", "{{index .RepoDigests 0}}", name], log)
                digest = pushed.strip().rpartition("@")[2]
            elif push:
                _run([program, "push", "--digestfile", str(note), name], log)
                digest = note.read_text().strip()
        return self.record(context.reference, digest, name if push else "")

    def record(self, ref: str, digest: str, reference: str = "") -> Version:
        """Record a container image that was made of a version. Its fact `image` is known from then on.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            digest: Digest of the image.
            reference: Where it can be pulled, for example `registry.example.com/scorer:12`; empty: nowhere yet.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.images.record("fraud/scorer:12", "sha256:7b0e…").image.digest
            'sha256:7b0e…'
        """
        body = wire.RecordImage(digest=digest, reference=reference)
        return self._put(self._version(ref, "image"), Version, body)

    def _write_code(self, record: dict[str, Any], folder: Path, source: Path | None) -> bool:
        code = record.get("code") or {}
        if source is not None:
            self._write_source(code, folder, source)
            return True
        run, paths = files_of_run(self._session, record)
        kept = [path for path in paths if path.startswith(_CODE)]
        if kept:
            Runs(self._session).pull(run, folder, kept)
        return bool(kept)

    def _write_source(self, code: dict[str, Any], folder: Path, source: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="modelyard-image-") as scratch:
            bundle = make_bundle(source, Path(scratch) / "source.tar")
            if str(bundle.digest) != code.get("bundle"):
                raise Conflict(
                    reason=f"{source} is {bundle.digest}, and the version was built from {code.get('bundle') or 'no source'}",
                    fix="Check out what was built, or leave out the code",
                )
            unpack_bundle(Path(scratch) / "source.tar", bundle.digest, folder / "code")


def containerfile(
    version: Version, record: dict[str, Any], base: str | None, wheel: str, *, exact: bool, has_code: bool
) -> str:
    """Return the Containerfile of a version. It names no time, so that the same version gives the same text.

    wheel: of this package. It is installed apart from the version's packages, which stay those of the record.
    """
    python = str(record["environment"]["python"])
    commit = str((record.get("code") or {}).get("commit") or "")
    labels = {
        "org.opencontainers.image.title": version.model,
        "org.opencontainers.image.version": str(version.version),
        "org.opencontainers.image.revision": commit,
        "org.modelyard.version": version.reference,
        "org.modelyard.digest": version.digest,
        "org.modelyard.record": version.record_digest,
    }
    install = "--require-hashes --no-deps" if exact else "--no-deps"
    lines = [
        f"# {version.reference}: its packages{', code' if has_code else ''} and files. Made from its record by:",
        f"#   modelyard image build {version.reference}",
        f"ARG BASE={base or f'docker.io/library/python:{python}-slim'}",
        "FROM ${BASE}",
        "WORKDIR /opt/model",
        "COPY requirements.txt ./",
        # Otherwise bytecode holds the time of its source.
        "ENV SOURCE_DATE_EPOCH=0",
        f"RUN python -m pip install {_PIP} {install} -r requirements.txt",
        f"COPY {wheel} ./",
        "RUN python -m venv /opt/scorer \\",
        f" && /opt/scorer/bin/python -m pip install {_PIP} './{wheel}[scorer]' \\",
        ' && python -c "import sys; print(sys.executable)" >python \\',
        " && install -d -o 10001 -g 10001 -m 0700 /run/modelyard",
        *(["COPY code ./code", "ENV PYTHONPATH=/opt/model/code"] if has_code else []),
        "COPY model ./model",
        "COPY version.json manifest.json record.json ./",
        "ENV MODELYARD_MODEL=/opt/model/model PYTHONUNBUFFERED=1",
        "ENV MODELYARD_SCORER_IMAGE=/opt/model MODELYARD_SCORER_LEAVE_SECONDS=5",
        *(f"LABEL {name}={json.dumps(value)}" for name, value in labels.items() if value),
        "USER 10001:10001",
        f"EXPOSE {PORT}",
        'CMD ["/opt/scorer/bin/python", "-m", "modelyard.scorer"]',
    ]
    return "\n".join([*lines, ""])


def installed_builder() -> str | None:
    """Return the program that makes images here; None: there is none."""
    return next((name for name in BUILDERS if shutil.which(name)), None)


def _run(command: Sequence[str], log: Callable[[str], object]) -> str:
    """Run a builder, and return what it printed. Raises Invalid if it fails."""
    told: list[str] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line)
            log(line.rstrip("\n"))
    if process.returncode:
        raise Invalid(
            reason=f"{command[0]} ended with exit code {process.returncode}: {''.join(told[-3:]).strip()[:500]}",
            fix="Read its output above; the folder stays, so that you can try again",
        )
    return "".join(told)
