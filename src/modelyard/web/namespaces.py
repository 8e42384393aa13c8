"""Settings of namespaces: visibility and naming rules."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Permission, Visibility
from modelyard.domain.errors import ModelyardError
from modelyard.doors.choices import parse_visibility
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.rules import exposure_warning
from modelyard.registry.catalog.usecases import NamespaceEdit
from modelyard.registry.promotion import policies
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch
from modelyard.web.frame import PageTable, Visit
from modelyard.web.places import may, words_of

table = PageTable()
_ROWS = 100
_MODELS = 20
_VISIBILITIES = tuple(each.value for each in Visibility)
_MODES = ("refuse", "warn")


async def _list(visit: Visit, problem: ModelyardError | None = None) -> Response:
    after = visit.chosen("after") or None

    def read(tx: Transaction) -> dict[str, Any]:
        return {"rows": catalog.list_namespaces(tx, visit.actor, after, _ROWS + 1)}

    rows = (await visit.look(read))["rows"]
    shown = rows[:_ROWS]
    return await visit.show(
        "settings_namespaces.html",
        problem,
        rows=shown,
        visibilities=_VISIBILITIES,
        is_first=after is None,
        more=f"/settings/namespaces?after={shown[-1].name}" if len(rows) > _ROWS else None,
        twin="/api/v1/namespaces",
    )


@table.get("/settings/namespaces")
async def namespaces(visit: Visit) -> Response:
    return await _list(visit)


@table.post("/settings/namespaces", operation="create_namespace", command="namespace create")
async def create_namespace(visit: Visit) -> Response:
    name = visit.given("name")

    def work(tx: Transaction) -> None:
        catalog.create_namespace(
            tx,
            visit.actor,
            visit.services.catalog,
            name=name,
            description=visit.given("description"),
            visibility=parse_visibility(visit.given("visibility")),
        )

    path = f"/settings/namespaces/{name.lower()}"
    return await visit.attempt(path, f"{name} was created, and you own it.", work, _list)


async def _show(visit: Visit, problem: ModelyardError | None = None) -> Response:
    name = visit.path["namespace"]

    def read(tx: Transaction) -> dict[str, Any]:
        namespace = catalog.find_namespace(tx, visit.actor, name)
        return {
            "namespace": namespace,
            "policy": policies.show_policy(tx, visit.actor, namespace.name, None).own,
            "models": search.search_models(
                tx, visit.actor, ModelSearch(namespace=namespace.name), None, _MODELS
            ),
            "may_edit": may(visit, Permission.NAMESPACE_EDIT, namespace.place),
            "may_delete": may(visit, Permission.NAMESPACE_DELETE, namespace.place),
        }

    found = await visit.look(read)
    return await visit.show(
        "settings_namespace.html",
        problem,
        **found,
        visibilities=_VISIBILITIES,
        modes=_MODES,
        twin=f"/api/v1/namespaces/{found['namespace'].name}",
    )


@table.get("/settings/namespaces/{namespace}")
async def namespace(visit: Visit) -> Response:
    return await _show(visit)


@table.post("/settings/namespaces/{namespace}/edit", operation="edit_namespace", command="namespace edit")
async def edit_namespace(visit: Visit) -> Response:
    """Change the namespace only if it is still as the page showed it."""
    name, seen = visit.path["namespace"], visit.given("seen")

    def work(tx: Transaction) -> str:
        was = catalog.find_namespace(tx, visit.actor, name).visibility
        edit = NamespaceEdit(
            display_name=visit.given("display_name"),
            description=visit.given("description"),
            visibility=parse_visibility(visit.given("visibility")),
            naming_pattern=visit.given("naming_pattern"),
            reserved_names=words_of(visit.given("reserved_names")),
            naming_mode=visit.given("naming_mode"),
        )
        edited = catalog.edit_namespace(tx, visit.actor, name, edit, int(seen) if seen.isdigit() else None)
        return exposure_warning(edited.visibility.value, was.value) or ""

    try:
        warning = await visit.write(work)
    except ModelyardError as error:
        return await _show(visit, error)
    return visit.go(f"/settings/namespaces/{name}", f"{name} was changed. {warning}".strip())


@table.post("/settings/namespaces/{namespace}/delete", operation="delete_namespace", command="namespace delete")
async def delete_namespace(visit: Visit) -> Response:
    name = visit.path["namespace"]
    return await visit.attempt(
        "/settings/namespaces",
        f"{name} was deleted.",
        lambda tx: catalog.delete_namespace(tx, visit.actor, name),
        _show,
    )
