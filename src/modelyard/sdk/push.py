"""Pushing a folder, a file or a live object as the next version of a model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, MissingBlobs
from modelyard.domain.names import Alias
from modelyard.domain.record import Record
from modelyard.domain.semantic import parse_semver
from modelyard.sdk.datasets.client import describe_all, send_profiles
from modelyard.sdk.files import LocalFile, find_files, hash_file, manifest_of
from modelyard.sdk.loaded import parents_of
from modelyard.sdk.parallel import Stop, each
from modelyard.sdk.present import PresentRun, present_run
from modelyard.sdk.progress import Progress, Silent
from modelyard.sdk.saying import say_once
from modelyard.sdk.secret_files import refuse_secret_files
from modelyard.sdk.session import Session
from modelyard.sdk.transfer import Announced, send_missing
from modelyard.sdk.values import metrics_to_json, plain
from modelyard.sdk.versions import Versions
from modelyard.sdk.views import Version
from modelyard.wire import versions as wire

_TRIES = 3


def push(  # noqa: D417
    session: Session,
    /,
    what: Any,
    model: str,
    *,
    alias: str | Sequence[str] = (),
    tags: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    params: Mapping[str, Any] | None = None,
    description: str = "",
    facts: Mapping[str, Any] | None = None,
    data: Any = None,
    example: Any = None,
    card: str | None = None,
    semver: str | None = None,
    pull_request: str | None = None,
    force_new: bool = False,
    allow_pickle: bool = False,
    allow_secrets: bool = False,
    capture: bool = True,
    progress: Progress | None = None,
    idempotency_key: str | None = None,
) -> Version:
    """Register a folder, a file or a live model object as the next version of a model.

    The same bytes with the same facts return the version that exists, unless `force_new` is True.

    Args:
        what: A path, or an object of a framework that a saver knows.
        model: Name of the model; the namespace may be omitted if your account has a default one.
        alias: One alias, or several, to point at the version.
        tags: Tags of the version.
        metrics: `{"f1": 0.93}`, or `[{"name": "f1", "value": 0.93, "split": "test", "dataset": "cards"}]`.
        params: Parameters of the training.
        description: Description of the version.
        facts: Additional frozen facts; they replace captured facts with the same name.
        data: Training data, as tables, paths, `{name: table}`, or results of `my.describe`; needs the
            packages of `modelyard[data]` unless it was described before.
        example: Input rows from which the signature of an object is taken.
        card: Text of the README.md that is written next to the object's files.
        semver: Semantic version, for example `2.1.0`; no other version of the model may have it.
        pull_request: Address of the pull request that the version comes from.
        force_new: Register a new version even when an equal one exists.
        allow_pickle: Save an object as a pickle if its framework has no safer format.
        allow_secrets: Push files that are known to contain credentials, which are refused otherwise.
        capture: False: do not record facts about the code, the environment and the image.
        progress: Receives each phase and the bytes moved; None: no progress is reported.
        idempotency_key: A second push with this key returns the version of the first; None: a new key.

    Returns:
        The version; `created` is False when it existed before.

    Raises:
        Invalid: The metrics, the data or the facts are not valid.
        NoSaver: No saver on this machine knows the object.
        SecretFiles: Files contain credentials; the error lists them.
        FileChanged: A file changed while it was being sent.
        Denied: Your role does not allow this.

    Example:
        >>> my.push(model, "fraud/scorer", alias="champion", metrics={"f1": 0.93}).reference
        'fraud/scorer:12'
    """
    from modelyard.sdk import capture as capturing

    # Refuse invalid arguments before anything is read or sent.
    name = str(session.model_name(model))
    checked_aliases = [str(Alias.parse(alias)) for alias in ([alias] if isinstance(alias, str) else alias)]
    known: dict[str, Any] = capturing.capture() if capture else {}
    active = present_run()
    if active is not None:
        active.keep_code()
        told = active.facts()
        known = {**told, **known}
        # The files that the run kept complete the code: they are not in a commit.
        if kept := {key: value for key, value in told.get("code", {}).items() if key in ("files", "untracked")}:
            known["code"] = {**known.get("code", {}), **kept}
            known["code"] |= {"dirty": True} if "commit" in known["code"] else {}
    known.update(facts or {})
    if params:
        known["params"] = {**known.get("params", {}), **{str(k): plain(v) for k, v in params.items()}}
    if metrics:
        known["metrics"] = metrics_to_json(metrics)
    described = [] if data is None else describe_all(data, f"{session.model_name(model).name}-data")
    if described:
        known["data"] = [*known.get("data", ()), *(one.entry for one in described)]
    wanted = wire.RegisterVersion(
        files=[],
        facts=known,
        description=description,
        tags={str(key): str(value) for key, value in (tags or {}).items()},
        aliases=checked_aliases,
        semver=parse_semver(semver) if semver else None,
        pull_request=pull_request,
        force_new=force_new,
    )
    wanted.facts = dict(Record.of(wanted.facts).facts)
    send_profiles(session.transport, described, session.parallel)
    if isinstance(what, str | os.PathLike):
        if example is not None or card is not None:
            raise Invalid(
                reason="an example or a card belongs to an object, not to files",
                fix="Put README.md into the folder",
            )
        files = find_files(Path(what))
        if not allow_secrets:
            refuse_secret_files(files)
        return _noted(active, push_files(session, name, files, wanted, progress or Silent(), idempotency_key))
    with tempfile.TemporaryDirectory(prefix="modelyard-push-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / "model"
        learned = save_object(what, folder, example, allow_pickle)
        wanted.facts.update({key: value for key, value in learned.items() if key not in wanted.facts})
        if card is not None:
            (folder / "README.md").write_text(card, encoding="utf-8")
        return _noted(
            active, push_files(session, name, find_files(folder), wanted, progress or Silent(), idempotency_key)
        )


def words_for_pushed(version: Version, url: str) -> str:
    """Return the state of a pushed version in words, and the next step."""
    done = "is registered" if version.created else "was registered before"
    return f"{version.reference} {done} at {url}. Next: modelyard show {version.reference}"


def _noted(active: PresentRun | None, version: Version) -> Version:
    if active is not None:
        active.log_version(version.reference)
    return version


def save_object(what: Any, folder: Path, example: Any, allow_pickle: bool) -> dict[str, Any]:
    """Write the object's files and return the facts from its saver."""
    from modelyard.sdk.savers import save_model

    saved = save_model(what, folder, example=example, allow_pickle=allow_pickle)
    learned: dict[str, Any] = {
        "loader": {
            "framework": saved.framework,
            "class": saved.class_path,
            "versions": dict(saved.versions),
        }
    }
    for said in ("untrusted_types", "not_restored"):
        if said in saved.extra:
            learned["loader"][said] = list(saved.extra[said])
    if saved.signature:
        learned["signature"] = dict(saved.signature)
    if parents := parents_of(what):
        learned["parents"] = parents
    return learned


def push_files(
    session: Session,
    model: str,
    files: list[LocalFile],
    wanted: wire.RegisterVersion,
    progress: Progress,
    idempotency_key: str | None = None,
) -> Version:
    """Send the files that the server lacks, and register them. Raises FileChanged, MissingBlobs."""
    executable = [file.path for file in files if file.is_executable]
    if executable:
        more = f" and {len(executable) - 3} more" if len(executable) > 3 else ""
        say_once(
            f"a version keeps no file modes; not executable after a pull: {', '.join(executable[:3])}{more}"
        )
    progress.begin("hash", sum(file.size_bytes for file in files))

    def digest(file: LocalFile, stop: Stop) -> Digest:
        return hash_file(file, stop, progress.advance)

    try:
        digests = each(files, digest, session.parallel)
    finally:
        progress.end()
    pairs = [*zip(files, digests, strict=True)]
    manifest = manifest_of(pairs)
    # A version that was loaded and pushed unchanged is the same model, not its child.
    if parents := [p for p in wanted.facts.get("parents", ()) if p.get("digest") != str(manifest.digest)]:
        wanted.facts["parents"] = parents
    else:
        wanted.facts.pop("parents", None)
    wanted.files = [
        wire.FileEntry(path=file.path, digest=file.digest, size_bytes=file.size_bytes)
        for file in manifest.files
    ]
    announced = Announced(session.model_name(model).namespace, manifest.size_bytes)
    for attempt in range(_TRIES):
        send_missing(session.transport, pairs, session.parallel, progress, announced)
        try:
            return Versions(session).register(model, wanted, idempotency_key=idempotency_key)
        except MissingBlobs:
            # Old bytes can be collected between the query and the registration.
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("the loop above returns or raises")
