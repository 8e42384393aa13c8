"""The place that a settings page is about: a namespace, or one of its models."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Permission
from modelyard.domain.names import ModelName, parse_namespace
from modelyard.registry.access import rules as access
from modelyard.registry.access.rules import Place
from modelyard.registry.access.usecases import Holding
from modelyard.registry.catalog import usecases as catalog
from modelyard.web.frame import Visit

_MANY = 500


def chosen_place(visit: Visit) -> str:
    """Return the name of the place in the form or the query; empty if none is chosen."""
    return visit.given("of") or visit.chosen("of")


def split_place(of: str) -> tuple[str, str | None]:
    """Return (namespace, model's name or None). Raises InvalidName."""
    if "/" in of:
        name = ModelName.parse(of)
        return name.namespace, name.name
    return parse_namespace(of), None


def list_places(tx: Transaction, visit: Visit) -> list[str]:
    """List the namespaces to choose from, the visitor's default one first."""
    names = [row.name for row in catalog.list_namespaces(tx, visit.actor, None, _MANY)]
    own = visit.actor.default_namespace
    return sorted(names, key=lambda name: (name != own, name))


def find_holding(tx: Transaction, visit: Visit, of: str) -> Holding:
    namespace, model = split_place(of)
    if model is None:
        return catalog.namespace_holding(tx, visit.actor, namespace)
    return catalog.model_holding(tx, visit.actor, ModelName(namespace, model))


def may(visit: Visit, permission: Permission, place: Place = access.SERVER) -> bool:
    """Return whether the page shows the form of an action; the use case decides again."""
    return access.may(visit.actor, permission, place)


def words_of(text: str) -> list[str]:
    """Return the words of a field that takes several, separated by commas or spaces."""
    return [word for word in text.replace(",", " ").split() if word]
