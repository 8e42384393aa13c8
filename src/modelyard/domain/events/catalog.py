"""Namespaces and models."""

from __future__ import annotations

from typing import Any

from modelyard.domain.events.base import Event


class NamespaceCreated(Event, kind="namespace.created"):
    pass


class NamespaceEdited(Event, kind="namespace.edited"):
    changes: dict[str, Any]


class NamespaceDeleted(Event, kind="namespace.deleted"):
    pass


class RetentionRuleSet(Event, kind="retention.rule_set"):
    """keep_versions: the newest ready versions of each model that stay; keep_for: as 90d; action: archive or delete."""

    action: str
    keep_versions: int | None = None
    keep_for: str | None = None


class RetentionRuleRemoved(Event, kind="retention.rule_removed"):
    pass


class ModelCreated(Event, kind="model.created"):
    """warning: why the naming rules do not accept the name, in a namespace that only warns."""

    warning: str | None = None


class ModelEdited(Event, kind="model.edited"):
    changes: dict[str, Any]
    """Field → [before, after]."""
    reason: str | None = None


class ModelRenamed(Event, kind="model.renamed"):
    before: str
    warning: str | None = None


class ModelDeleted(Event, kind="model.deleted"):
    reason: str | None = None


class TermsChanged(Event, kind="terms.changed"):
    """digest: of the new terms of use; None: they were removed. before: of the earlier ones."""

    digest: str | None = None
    before: str | None = None


class TermsAccepted(Event, kind="terms.accepted", may_change_rights=False):
    """The account accepted the terms with that digest."""

    digest: str
