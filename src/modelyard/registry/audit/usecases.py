"""Read the event log of one model, of a namespace, or of the whole registry."""

from __future__ import annotations

import difflib

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission, Role, Visibility
from modelyard.domain.errors import Invalid
from modelyard.domain.events import all_events
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.audit import queries
from modelyard.registry.audit.nouns import EventFilter, LoggedEvent
from modelyard.registry.catalog.usecases import find_model, find_namespace


class LogScope(msgspec.Struct, frozen=True):
    """The part of the log: a model's, for its readers; a namespace's, for its auditors; None: the whole log."""

    namespace: str | None = None
    model: ModelName | None = None


def narrow(tx: Transaction, actor: Actor, scope: LogScope, chosen: EventFilter) -> EventFilter:
    """Return the filter narrowed to the scope, which the actor may read.

    Raises Denied, ModelNotFound, NamespaceNotFound; Invalid for an unknown kind or account, or a version without a model.
    """
    _check_kinds(chosen)
    if chosen.version is not None and scope.model is None:
        raise Invalid(
            reason="the number of a version means nothing without its model",
            fix="Name the model too, for example --model fraud/scorer --version 3",
        )
    if scope.model is not None:
        return replace(chosen, model_id=find_model(tx, actor, scope.model).id)
    if scope.namespace is None:
        access.check(actor, Permission.LOG_READ, access.SERVER)
        _check_actor(tx, chosen)
        return chosen
    namespace = find_namespace(tx, actor, scope.namespace, Permission.LOG_READ)
    _check_actor(tx, chosen)
    hidden = [
        model_id
        for model_id, name, role, visibility in queries.list_models_of(tx, actor.id, namespace.name)
        if not access.may(
            actor,
            Permission.MODEL_READ,
            access.Place(namespace.name, name, Role(role), Visibility(visibility)),
        )
    ]
    return replace(chosen, namespace=namespace.name, hidden=hidden)


def _check_kinds(chosen: EventFilter) -> None:
    for kind in chosen.kinds:
        if queries.matching_kinds([kind]):
            continue
        known = sorted(all_events())
        near = difflib.get_close_matches(kind, known, 3, 0.5) or known
        raise Invalid(
            reason=f"there is no kind of event {kind[:60]!r}",
            fix=f"Known are: {', '.join(near)}; * stands for any text, as in promotion.*",
        )


def _check_actor(tx: Transaction, chosen: EventFilter) -> None:
    if chosen.actor is None or queries.is_known_actor(tx, chosen.actor):
        return
    names = queries.list_actor_names(tx)
    near = difflib.get_close_matches(chosen.actor, names, 5, 0.5) or names[:10]
    raise Invalid(
        reason=f"there is no account {chosen.actor[:60]!r}, and no event names one",
        fix=f"Known are for example: {', '.join(near)}; list them with: modelyard user ls",
    )


def may_read_all(actor: Actor) -> bool:
    """Return whether the actor may read and check the whole log."""
    return access.may(actor, Permission.LOG_READ, access.SERVER)


class LogPage(msgspec.Struct, frozen=True):
    items: list[LoggedEvent]
    looked_at: int | None
    """Events of the scope if no other scope was requested."""


def list_history(
    tx: Transaction, actor: Actor, name: ModelName, chosen: EventFilter, before: int | None, limit: int
) -> list[LoggedEvent]:
    """List the events of one model under all its names, newest first."""
    return list_log(tx, actor, chosen, LogScope(model=name), before=before, limit=limit).items


_WHOLE_LOG = LogScope()


def list_log(
    tx: Transaction,
    actor: Actor,
    chosen: EventFilter,
    scope: LogScope = _WHOLE_LOG,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> LogPage:
    """List the events of a model, a namespace or the whole registry."""
    narrowed = narrow(tx, actor, scope, chosen)
    events = queries.list_events(tx, narrowed, before=before, after=after, limit=limit)
    return LogPage(events, None if events else queries.count_events(tx, narrowed))
