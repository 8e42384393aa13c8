"""Conversion of the registry's results to wire shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from modelyard.api.conversion import to_wire
from modelyard.domain.actor import Actor, Role
from modelyard.domain.metric_names import ranked
from modelyard.domain.names import ModelName
from modelyard.domain.record import known_facts, missing_among, share_of
from modelyard.domain.times import time_text
from modelyard.registry.access.nouns import Account, Token
from modelyard.registry.access.rules import role_with
from modelyard.registry.audit.nouns import LoggedEvent
from modelyard.registry.catalog.nouns import Namespace
from modelyard.registry.search.usecases import FoundModel
from modelyard.registry.versions.nouns import AliasMove, AliasPosition, Resolved
from modelyard.registry.versions.rules import flags_of
from modelyard.registry.versions.usecases import VersionView
from modelyard.registry.versions.warnings import warnings_of
from modelyard.registry.withheld.nouns import WithheldFile
from modelyard.wire import access as access_wire
from modelyard.wire import catalog as catalog_wire
from modelyard.wire import versions as versions_wire

_Shape = TypeVar("_Shape", bound=msgspec.Struct)


def account(row: Account) -> access_wire.Account:
    return to_wire(row, access_wire.Account, disabled=row.disabled_at is not None)


def token(row: Token) -> access_wire.Token:
    held = row.scope.permissions
    return to_wire(
        row,
        access_wire.Token,
        permissions=None if held is None else sorted(p.value for p in held),
        namespace=row.scope.namespace,
        model=row.scope.model,
    )


def namespace(found: Namespace, actor: Actor) -> catalog_wire.Namespace:
    role = role_with(actor, found.role)
    # The sum covers private models too, so only members see it.
    quota, used = (found.quota_bytes, found.used_bytes) if role > Role.NONE else (None, None)
    return to_wire(
        found, catalog_wire.Namespace, role=role.word, warning=None, quota_bytes=quota, used_bytes=used
    )


def model(found: FoundModel, actor: Actor) -> catalog_wire.Model:
    row = found.model
    return to_wire(
        row,
        catalog_wire.Model,
        owners=list(found.owners),
        tags=dict(found.tags),
        aliases=dict(found.aliases),
        archived=row.archived_at is not None,
        role=role_with(actor, row.role).word,
        warning=None,
    )


def withheld_file(found: WithheldFile) -> versions_wire.WithheldFile:
    row = found.withheld
    return to_wire(row, versions_wire.WithheldFile, path=found.path, event=row.seq)


def _optional(noun: object, shape: type[_Shape]) -> _Shape | None:
    return None if noun is None else to_wire(noun, shape)


def version(view: VersionView, *, created: bool | None = None) -> versions_wire.Version:
    row, reference = view.version, str(view.ref)
    facts = row.record.value
    known = known_facts(row.facts())
    return versions_wire.Version(
        model=str(view.model.name),
        version=row.number,
        reference=reference,
        digest=row.digest,
        commit=row.digest.commit,
        record_digest=row.record_digest,
        state=row.state,
        description=row.description,
        tags=dict(view.tags),
        aliases=list(view.aliases),
        size_bytes=row.size_bytes,
        file_count=row.file_count,
        created_at=time_text(row.created_at),
        created_by=row.created_by,
        updated_at=time_text(row.updated_at),
        revision=row.revision,
        metrics=[dict(metric) for metric in ranked(facts.get("metrics", []), view.model.task)],
        params=facts.get("params", {}),
        format=row.format_facts.value,
        completeness=round(share_of(known), 4),
        missing=missing_among(known),
        scan=row.scan,
        quarantined=bool(row.quarantined),
        warning=warnings_of(view),
        flags=flags_of(row, damaged=view.damaged),
        recalled=_optional(row.recall, versions_wire.Recalled),
        deprecated=_optional(row.deprecation, versions_wire.Deprecated),
        withheld=[withheld_file(file) for file in view.withheld],
        semver=row.semver,
        pull_request=row.pull_request,
        kept=_optional(row.kept, versions_wire.Kept),
        image=_optional(row.image, versions_wire.Image),
        build=row.build,
        created=created,
    )


def resolved(found: Resolved, withheld: Sequence[WithheldFile], warning: str | None) -> versions_wire.Resolved:
    return versions_wire.Resolved(
        model=str(found.model),
        version=found.number,
        reference=f"{found.model}:{found.number}",
        digest=found.digest,
        record_digest=found.record_digest,
        state=found.state,
        size_bytes=found.size_bytes,
        created_at=time_text(found.created_at),
        alias_revision=found.alias_revision,
        scan=found.scan,
        quarantined=found.quarantined,
        warning=warning,
        flags=flags_of(found),
        recalled=_optional(found.recall, versions_wire.Recalled),
        deprecated=_optional(found.deprecation, versions_wire.Deprecated),
        withheld=[withheld_file(file) for file in withheld],
    )


def alias(name: ModelName, row: AliasPosition) -> versions_wire.Alias:
    assert row.number is not None
    return to_wire(row, versions_wire.Alias, model=str(name), version=row.number)


def alias_move(move: AliasMove) -> versions_wire.AliasMove:
    return to_wire(move, versions_wire.AliasMove, from_version=move.from_number, to_version=move.to_number)


def event(logged: LoggedEvent) -> versions_wire.Event:
    body = logged.body
    return versions_wire.Event(
        seq=logged.seq,
        at=body["at"],
        kind=body["kind"],
        actor=body["actor"]["name"],
        namespace=body.get("namespace"),
        model=body.get("model"),
        version=body.get("version"),
        data=body.get("data", {}),
    )
