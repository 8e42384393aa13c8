"""Record the container image that was made of a version. Its other facts stay frozen; this one may come later."""

from __future__ import annotations

import re

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.domain.names import Ref
from modelyard.domain.secrets import mask
from modelyard.registry.versions import queries
from modelyard.registry.versions.nouns import Image
from modelyard.registry.versions.usecases import VersionView, find_present, show_version

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,499}\Z")


def record_image(tx: Transaction, actor: Actor, ref: Ref, digest: str, reference: str = "") -> VersionView:
    """Record an image of a version; a later one takes its place. The same one again changes nothing.

    digest: of the image. reference: where it can be pulled. Raises Invalid, VersionNotFound, VersionDeleted, Denied.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_EDIT)
    parsed = str(Digest.parse(digest))
    if reference and (not _REFERENCE.match(reference) or mask(reference) != reference):
        raise Invalid(
            reason=f"{mask(reference)[:80]!r} does not name an image",
            fix="Write for example registry.example.com/scorer:12",
        )
    before = version.image
    if before is None or (before.digest, before.reference) != (parsed, reference):
        queries.set_image(tx, version.id, Image(at=tx.now, by=actor.name, digest=parsed, reference=reference))
        tx.append(
            events.VersionImageMade(
                **events.about(model.name, version.number),
                digest=version.digest,
                image=parsed,
                reference=reference or None,
            ),
            actor,
            model.id,
        )
    return show_version(tx, actor, Ref(model.name, version.number))
