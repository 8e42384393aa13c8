"""Withhold the bytes of a file for good: no file with these bytes is served any longer, and they are deleted.

Manifests and digests stay unchanged. Only the row decides what is withheld, so bytes that return to the store are not
served, and the next collection deletes them again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission, Role
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobStoreUnavailable, Denied, FileNotFound, Invalid
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import queries as catalog_queries
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.lineage.usecases import find_dataset
from modelyard.registry.redaction import withholding_queries as queries
from modelyard.registry.redaction.nouns import Place
from modelyard.registry.runs import queries as run_queries
from modelyard.registry.runs.usecases import find_run
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.usecases import find_version
from modelyard.registry.withheld import queries as withheld
from modelyard.registry.withheld.nouns import Withheld
from modelyard.registry.withheld.refusals import file_withheld

RUN, DATASET = "run:", "dataset:"
PROFILE = "profile"
"""The only file of a dataset."""
logger = logging.getLogger(__name__)


class Withholding(msgspec.Struct, frozen=True):
    """The result of one withholding."""

    place: Place
    digest: Digest
    size_bytes: int
    reason: str
    also: Sequence[Place]
    """The other files with the same bytes, which are withheld with it."""


class _Target(msgspec.Struct, frozen=True):
    place: Place
    digest: Digest
    size_bytes: int
    model: ModelName | None = None
    model_id: int = 0
    version: int | None = None


def withhold_file(tx: Transaction, actor: Actor, holder: str, path: str, reason: str) -> Withholding:
    """Stop serving the bytes of a file everywhere; the caller then removes them with `remove_bytes`.

    holder: a version's reference, `run:ID`, or `dataset:NAME@DIGEST` with the path `profile`.
    Raises FileNotFound, and NotFound for an unknown holder; FileWithheld if it is withheld already; Denied unless the
    actor may redact in all places that have the bytes; Invalid without a reason, and for an empty file.
    """
    target = _find_target(tx, actor, holder, path)
    catalog.find_namespace(tx, actor, target.place.namespace, Permission.CONTENT_REDACT)
    words = catalog_rules.require_reason(reason, "a redaction")
    if target.size_bytes == 0:
        raise Invalid(reason=f"{target.place.path} of {target.place.holder} is empty", fix="Name another file")
    if withheld.find_withheld(tx, target.digest) is not None:
        raise file_withheld(tx, target.digest, target.place.path, target.place.holder)
    tx.expect_many_rows()
    places = queries.list_places(tx, target.digest)
    _refuse_foreign(tx, actor, target, places)
    also = [place for place in places if place != target.place]
    card = queries.find_card_words(tx, target.digest)
    queries.withhold(tx, actor, target.digest, target.size_bytes, target.place, words)
    if card:
        _forget_card(tx, actor, target.digest, card)
    tx.append(
        events.ContentWithheld(
            namespace=target.place.namespace,
            model=str(target.model) if target.model else None,
            version=target.version,
            holder=target.place.holder,
            path=target.place.path,
            digest=target.digest,
            size_bytes=target.size_bytes,
            reason=words,
            also=[str(place) for place in also if place.namespace == target.place.namespace],
        ),
        actor,
        target.model_id,
    )
    return Withholding(target.place, target.digest, target.size_bytes, words, also)


def _find_target(tx: Transaction, actor: Actor, holder: str, path: str) -> _Target:
    if holder.startswith(RUN):
        run = find_run(tx, actor, holder.removeprefix(RUN))
        artifact = run_queries.find_artifact(tx, run.id, path)
        if artifact is None:
            raise FileNotFound(
                path=path[:300],
                reference=f"run {run.uid}",
                fix=f"List its files with: modelyard runs show {run.uid}",
            )
        place = Place(run.namespace, f"{RUN}{run.uid}", path)
        return _Target(place, Digest(artifact.digest), artifact.size_bytes)
    if holder.startswith(DATASET):
        content = find_dataset(tx, actor, holder.removeprefix(DATASET))
        digest = content.profile or content.withheld_profile
        if digest is None or path != PROFILE:
            raise FileNotFound(
                path=path[:300],
                reference=content.reference,
                fix=f"The one file of a dataset that can be here is: --file {PROFILE}",
            )
        size = queries.find_size(tx, digest)
        return _Target(Place(content.namespace, f"{DATASET}{content.reference}", path), digest, size)
    model, version = find_version(tx, actor, Ref.parse(holder, actor.default_namespace))
    reference = f"{model.name}:{version.number}"
    file = versions.find_file(tx, version.manifest_id, path)
    if file is None:
        raise FileNotFound(reference=reference, path=path[:300])
    place = Place(model.name.namespace, reference, path)
    return _Target(place, file[0], file[1], model.name, model.id, version.number)


def _refuse_foreign(tx: Transaction, actor: Actor, target: _Target, places: Sequence[Place]) -> None:
    """Raise Denied if the bytes are also in a namespace where the actor may not redact.

    Otherwise an owner could push the files of others as their own, and have them deleted everywhere.
    """
    for name in sorted({place.namespace for place in places} - {target.place.namespace}):
        namespace = catalog_queries.find_namespace(tx, actor, name)
        if namespace is None or not access.may(actor, Permission.CONTENT_REDACT, namespace.place):
            raise Denied(
                actor=actor.name,
                permission=Permission.CONTENT_REDACT.value,
                where="all places that have these bytes",
                who="an admin",
                role=Role.OWNER.word,
                fix="Revoke what leaked, and ask an admin of the server for: "
                f'modelyard redact {target.place.holder} --file {target.place.path} --reason "…"',
            )


def _forget_card(tx: Transaction, actor: Actor, digest: Digest, words: str) -> None:
    for model_id, namespace, name in queries.list_models_shown_by(tx, digest, words):
        versions.set_card_text(tx, model_id, "")
        model = catalog_queries.find_model(tx, actor, ModelName(namespace, name))
        assert model is not None
        catalog.refresh_words(tx, model)


def remove_bytes(blobs: BlobStore, done: Withholding) -> None:
    """Delete the withheld bytes from the store, after the commit. If that fails, the next collection does it."""
    try:
        blobs.delete(done.digest)
    except BlobStoreUnavailable:
        logger.warning(
            "the withheld bytes %s are still in the store; the next collection removes them", done.digest
        )


def list_withheld(tx: Transaction, actor: Actor, namespace: str) -> list[Withheld]:
    """List withheld files, newest first, for everybody who may read the namespace."""
    found = catalog.find_namespace(tx, actor, namespace)
    return withheld.list_withheld(tx, found.name)
