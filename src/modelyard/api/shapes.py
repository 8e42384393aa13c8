"""From what the registry returns to what the wire carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.domain.record import completeness, missing_facts
from modelyard.domain.times import time_text
from modelyard.registry.access.nouns import Account, Token
from modelyard.registry.access.rules import role_with
from modelyard.registry.audit.nouns import LoggedEvent
from modelyard.registry.catalog.nouns import Namespace
from modelyard.registry.search.usecases import FoundModel
from modelyard.registry.versions.nouns import AliasMove, AliasPosition, Recall, Resolved
from modelyard.registry.versions.usecases import VersionView
from modelyard.registry.versions.warnings import warnings_of
from modelyard.registry.withheld.nouns import WithheldFile
from modelyard.wire import access as access_wire
from modelyard.wire import catalog as catalog_wire
from modelyard.wire import versions as versions_wire


def optional_time(moment: int | None) -> str | None:
    return None if moment is None else time_text(moment)


def account(row: Account) -> access_wire.Account:
    return access_wire.Account(
        name=row.name,
        kind=row.kind.value,
        display_name=row.display_name,
        email=row.email,
        is_admin=row.is_admin,
        default_namespace=row.default_namespace,
        created_at=time_text(row.created_at),
        disabled=row.disabled_at is not None,
        is_auditor=row.is_auditor,
        made_by=row.made_by,
    )


def token(row: Token) -> access_wire.Token:
    held = row.scope.permissions
    return access_wire.Token(
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner=row.owner,
        permissions=None if held is None else sorted(p.value for p in held),
        namespace=row.scope.namespace,
        model=row.scope.model,
        created_at=time_text(row.created_at),
        expires_at=optional_time(row.expires_at),
        last_used_at=optional_time(row.last_used_at),
    )


def namespace(found: Namespace, actor: Actor) -> catalog_wire.Namespace:
    return catalog_wire.Namespace(
        name=found.name,
        display_name=found.display_name,
        description=found.description,
        visibility=found.visibility.value,
        naming_pattern=found.naming_pattern,
        reserved_names=list(found.reserved_names),
        created_at=time_text(found.created_at),
        revision=found.revision,
        role=role_with(actor, found.role).word,
    )


def model(found: FoundModel, actor: Actor) -> catalog_wire.Model:
    row = found.model
    return catalog_wire.Model(
        name=str(row.name),
        display_name=row.display_name,
        description=row.description,
        visibility=row.visibility.value,
        owners=list(found.owners),
        tags=dict(found.tags),
        aliases=dict(found.aliases),
        newest_version=row.newest_version,
        version_count=row.version_count,
        framework=row.framework,
        licence=row.licence,
        task=row.task,
        archived=row.archived_at is not None,
        created_at=time_text(row.created_at),
        updated_at=time_text(row.updated_at),
        revision=row.revision,
        role=role_with(actor, row.role).word,
    )


def withheld_file(found: WithheldFile) -> versions_wire.WithheldFile:
    row = found.withheld
    return versions_wire.WithheldFile(
        path=found.path, digest=row.digest, event=row.seq, by=row.by, at=time_text(row.at), reason=row.reason
    )


def recalled(recall: Recall | None) -> dict[str, Any] | None:
    return None if recall is None else msgspec.structs.asdict(recall)


def version(view: VersionView, *, created: bool | None = None) -> versions_wire.Version:
    row, reference = view.version, str(view.ref)
    facts = row.record.value
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
        metrics=facts.get("metrics", []),
        params=facts.get("params", {}),
        format=row.format_facts.value,
        completeness=round(completeness(facts), 4),
        missing=missing_facts(facts),
        scan=row.scan,
        quarantined=bool(row.quarantined),
        warning=warnings_of(view),
        recalled=recalled(row.recall),
        withheld=[withheld_file(file) for file in view.withheld],
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
        recalled=recalled(found.recall),
        withheld=[withheld_file(file) for file in withheld],
    )


def alias(name: ModelName, row: AliasPosition) -> versions_wire.Alias:
    assert row.number is not None
    assert row.digest is not None
    return versions_wire.Alias(
        model=str(name),
        alias=row.alias,
        version=row.number,
        digest=row.digest,
        revision=row.revision,
        updated_at=time_text(row.updated_at),
        updated_by=row.updated_by,
    )


def alias_move(move: AliasMove) -> versions_wire.AliasMove:
    return versions_wire.AliasMove(
        alias=move.alias,
        revision=move.revision,
        from_version=move.from_number,
        to_version=move.to_number,
        at=time_text(move.at),
        actor=move.actor,
        reason=move.reason,
    )


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
