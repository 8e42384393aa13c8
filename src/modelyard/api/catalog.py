"""Routes of namespaces and models."""

from __future__ import annotations

import msgspec

from modelyard.api import shapes
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Visibility
from modelyard.domain.errors import Invalid
from modelyard.domain.names import Alias, ModelName
from modelyard.doors.answers import Tagged, tagged
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.table import RouteTable
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.rules import exposure_warning
from modelyard.registry.catalog.usecases import ModelEdit, NamespaceEdit
from modelyard.registry.idempotency import Answer
from modelyard.registry.promotion import renaming
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch, parse_metric, parse_tag, parse_words
from modelyard.registry.versions import usecases as versions
from modelyard.wire import catalog as wire
from modelyard.wire.base import PageQuery, Reason

table = RouteTable("catalog")


def _visibility(word: str) -> Visibility:
    try:
        return Visibility(word)
    except ValueError:
        raise Invalid(
            reason=f"{word[:40]!r} is no visibility", fix="Use private, signed-in or public"
        ) from None


# --- namespaces ------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/namespaces")
async def list_namespaces(call: Call, query: PageQuery) -> wire.NamespacePage:
    """The namespaces the caller may see, by name."""
    limit = page_limit(query)
    after = decode_cursor(query.cursor, str)
    found = await call.read(
        lambda tx: catalog.list_namespaces(tx, call.actor, after[0] if after else None, limit + 1)
    )
    page, cursor = cut(found, limit, lambda row: (row.name,))
    return wire.NamespacePage(items=[shapes.namespace(row, call.actor) for row in page], next_cursor=cursor)


@table.route("POST", "/api/v1/namespaces", status=201)
async def create_namespace(call: Call, body: wire.CreateNamespace) -> Answer[wire.Namespace]:
    """Make a namespace; the person who makes it owns it."""

    def work(tx: Transaction) -> wire.Namespace:
        made = catalog.create_namespace(
            tx,
            call.actor,
            call.services.catalog,
            name=body.name,
            display_name=body.display_name,
            description=body.description,
            visibility=_visibility(body.visibility),
            naming_pattern=body.naming_pattern,
            reserved_names=body.reserved_names,
        )
        return shapes.namespace(made, call.actor)

    return await call.commit(work, etag=revision_tag)


@table.route("GET", "/api/v1/namespaces/{namespace}")
async def show_namespace(call: Call) -> Tagged[wire.Namespace]:
    """One namespace."""
    found = await call.point(lambda tx: catalog.find_namespace(tx, call.actor, call.path["namespace"]))
    return tagged(shapes.namespace(found, call.actor), found.revision)


@table.route("PATCH", "/api/v1/namespaces/{namespace}")
async def edit_namespace(call: Call, body: wire.EditNamespace) -> Answer[wire.Namespace]:
    """Change a namespace; If-Match guards against a change in between."""
    edit = NamespaceEdit(
        display_name=body.display_name,
        description=body.description,
        visibility=_visibility(body.visibility) if body.visibility is not None else None,
        naming_pattern=body.naming_pattern,
        reserved_names=body.reserved_names,
    )

    def work(tx: Transaction) -> wire.Namespace:
        name = call.path["namespace"]
        was = catalog.find_namespace(tx, call.actor, name).visibility
        edited = shapes.namespace(
            catalog.edit_namespace(tx, call.actor, name, edit, call.seen_revision), call.actor
        )
        return msgspec.structs.replace(edited, warning=exposure_warning(edited.visibility, was.value))

    return await call.commit(work, etag=revision_tag)


@table.route("DELETE", "/api/v1/namespaces/{namespace}", status=204)
async def delete_namespace(call: Call) -> Answer[None]:
    """Delete a namespace that never held a model."""
    return await call.commit(lambda tx: catalog.delete_namespace(tx, call.actor, call.path["namespace"]))


# --- models ----------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/models")
async def search_models(call: Call, query: wire.ModelQuery) -> wire.ModelPage:
    """Search models; the most recently changed come first."""
    limit = page_limit(query)
    before = decode_cursor(query.cursor, int, int)
    wanted = ModelSearch(
        words=parse_words(query.q),
        namespace=query.namespace.lower() if query.namespace else None,
        tags=tuple(parse_tag(tag) for tag in query.tag),
        owner=query.owner,
        framework=query.framework,
        licence=query.licence,
        task=query.task,
        alias=Alias.parse(query.alias) if query.alias else None,
        metrics=tuple(parse_metric(metric) for metric in query.metric),
        archived=query.archived,
    )
    found = await call.read(lambda tx: search.search_models(tx, call.actor, wanted, before, limit + 1))
    total = await call.read(lambda tx: search.count_models(tx, call.actor, wanted)) if query.total else None
    page, cursor = cut(found, limit, lambda row: (row.model.updated_at, row.model.id))
    return wire.ModelPage(
        items=[shapes.model(row, call.actor) for row in page], next_cursor=cursor, total=total
    )


@table.route("POST", "/api/v1/models", status=201)
async def create_model(call: Call, body: wire.CreateModel) -> Answer[wire.Model]:
    """Make a model without versions. Registering a version makes it too."""
    name = ModelName.parse(body.name, call.actor.default_namespace)

    def work(tx: Transaction) -> wire.Model:
        catalog.create_model(
            tx,
            call.actor,
            name,
            display_name=body.display_name,
            description=body.description,
            visibility=_visibility(body.visibility) if body.visibility is not None else None,
            tags=body.tags,
            owners=body.owners,
        )
        return shapes.model(search.show_model(tx, call.actor, name), call.actor)

    return await call.commit(work, etag=revision_tag)


@table.route("GET", "/api/v1/models/{namespace}/{name}")
async def show_model(call: Call) -> Tagged[wire.Model]:
    """One model, by its name or an earlier one."""
    found = await call.point(lambda tx: search.show_model(tx, call.actor, call.model))
    return tagged(shapes.model(found, call.actor), found.model.revision)


@table.route("PATCH", "/api/v1/models/{namespace}/{name}")
async def edit_model(call: Call, body: wire.EditModel) -> Answer[wire.Model]:
    """Change annotations, archive or bring back; If-Match guards against a change in between."""
    edit = ModelEdit(
        display_name=body.display_name,
        description=body.description,
        visibility=_visibility(body.visibility) if body.visibility is not None else None,
        owners=body.owners,
        tags=body.tags,
        task=body.task,
        archived=body.archived,
    )

    def work(tx: Transaction) -> wire.Model:
        was = catalog.find_model(tx, call.actor, call.model).visibility
        edited = catalog.edit_model(tx, call.actor, call.model, edit, call.seen_revision)
        found = shapes.model(search.show_model(tx, call.actor, edited.name), call.actor)
        return msgspec.structs.replace(found, warning=exposure_warning(found.visibility, was.value))

    return await call.commit(work, etag=revision_tag)


@table.route("POST", "/api/v1/models/{namespace}/{name}/rename")
async def rename_model(call: Call, body: wire.RenameModel) -> Answer[wire.Model]:
    """Rename a model inside its namespace; the old name goes on working."""
    to = ModelName.parse(body.to, call.model.namespace)

    def work(tx: Transaction) -> wire.Model:
        renaming.rename_model(tx, call.actor, call.model, to)
        return shapes.model(search.show_model(tx, call.actor, to), call.actor)

    return await call.commit(work, etag=revision_tag)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}", status=204)
async def delete_model(call: Call, query: Reason) -> Answer[None]:
    """Delete a model and all its versions; names, numbers and digests stay as tombstones."""
    return await call.commit(lambda tx: versions.delete_model(tx, call.actor, call.model, query.reason))
