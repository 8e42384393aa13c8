"""Routes of namespaces and models."""

from __future__ import annotations

import msgspec

from modelyard.api import shapes
from modelyard.api.conversion import fields_of
from modelyard.db.transaction import Transaction
from modelyard.domain.metric_names import parse_condition
from modelyard.domain.names import Alias, ModelName
from modelyard.domain.semantic import parse_semver_condition
from modelyard.doors.answers import Tagged, tagged
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.choices import parse_visibility
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.rules import exposure_warning
from modelyard.registry.catalog.usecases import ModelEdit, NamespaceEdit
from modelyard.registry.idempotency import Answer
from modelyard.registry.promotion import renaming
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch, parse_tag
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.labels import check_pull_request
from modelyard.wire import catalog as wire
from modelyard.wire.base import PageQuery, Reason

table = RouteTable(__name__)


# --- namespaces ------------------------------------------------------------------------------------


@table.route("GET", "/api/v1/namespaces")
async def list_namespaces(call: Call, query: PageQuery) -> wire.NamespacePage:
    """List the namespaces that the caller may see, by name."""
    paging = Paging.of(query, str)
    namespaces = await call.read(lambda tx: catalog.list_namespaces(tx, call.actor, paging.start, paging.count))
    return paging.answer(
        wire.NamespacePage,
        namespaces,
        lambda row: shapes.namespace(row, call.actor),
        key=lambda row: (row.name,),
    )


@table.route("POST", "/api/v1/namespaces", status=201)
async def create_namespace(call: Call, body: wire.CreateNamespace) -> Answer[wire.Namespace]:
    """Create a namespace; the caller becomes its owner."""

    def work(tx: Transaction) -> wire.Namespace:
        made = catalog.create_namespace(
            tx,
            call.actor,
            call.services.catalog,
            visibility=parse_visibility(body.visibility),
            **fields_of(body, "visibility"),
        )
        return shapes.namespace(made, call.actor)

    return await call.commit(work, etag=revision_tag)


@table.route("GET", "/api/v1/namespaces/{namespace}")
async def show_namespace(call: Call) -> Tagged[wire.Namespace]:
    """Return a namespace."""
    namespace = await call.point(lambda tx: catalog.find_namespace(tx, call.actor, call.path["namespace"]))
    return tagged(shapes.namespace(namespace, call.actor), namespace.revision)


@table.route("PATCH", "/api/v1/namespaces/{namespace}")
async def edit_namespace(call: Call, body: wire.EditNamespace) -> Answer[wire.Namespace]:
    """Change a namespace; If-Match guards against a concurrent change."""
    visibility = parse_visibility(body.visibility) if body.visibility is not None else None
    edit = NamespaceEdit(visibility=visibility, **fields_of(body, "visibility"))

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
    """Search models, most recently changed first."""
    paging = Paging.of(query, int, int)
    wanted = _search_of(query)
    models = await call.read(
        lambda tx: search.search_models(tx, call.actor, wanted, paging.start, paging.count)
    )
    total = await call.read(lambda tx: search.count_models(tx, call.actor, wanted)) if query.total else None
    return paging.answer(
        wire.ModelPage,
        models,
        lambda row: shapes.model(row, call.actor),
        key=lambda row: (row.model.updated_at, row.model.id),
        total=total,
    )


@table.route("GET", "/api/v1/model-facets")
async def count_facets(call: Call, query: wire.ModelQuery) -> wire.Facets:
    """Count the models found by a search, by namespace, framework, licence, task, alias and tag."""
    wanted = _search_of(query)
    found = await call.read(lambda tx: search.count_facets(tx, call.actor, wanted))
    return wire.Facets(
        facets={
            facet: [wire.FacetValue(value=value, count=count) for value, count in values]
            for facet, values in found.items()
        }
    )


def _search_of(query: wire.ModelQuery) -> ModelSearch:
    return ModelSearch.of(
        query.q,
        namespace=query.namespace.lower() if query.namespace else None,
        tags=tuple(parse_tag(tag) for tag in query.tag),
        owner=query.owner,
        framework=query.framework,
        licence=query.licence,
        task=query.task,
        alias=Alias.parse(query.alias) if query.alias else None,
        metrics=tuple(parse_condition(metric) for metric in query.metric),
        stage=query.stage.removeprefix("@").lower() if query.stage else None,
        semver=parse_semver_condition(query.semver) if query.semver else None,
        pull_request=check_pull_request(query.pull_request) if query.pull_request else None,
        archived=query.archived,
    )


@table.route("POST", "/api/v1/models", status=201)
async def create_model(call: Call, body: wire.CreateModel) -> Answer[wire.Model]:
    """Create a model without versions. Registering a version creates its model too."""
    name = ModelName.parse(body.name, call.actor.default_namespace)

    def work(tx: Transaction) -> wire.Model:
        catalog.create_model(
            tx,
            call.actor,
            name,
            visibility=parse_visibility(body.visibility) if body.visibility is not None else None,
            **fields_of(body, "name", "visibility"),
        )
        return _named_model(tx, call, name)

    return await call.commit(work, etag=revision_tag)


def _named_model(tx: Transaction, call: Call, name: ModelName) -> wire.Model:
    """Return a model that has just got its name, with the warning about that."""
    found = shapes.model(search.show_model(tx, call.actor, name), call.actor)
    return msgspec.structs.replace(found, warning=catalog.naming_warning(tx, call.actor, name))


@table.route("GET", "/api/v1/models/{namespace}/{name}")
async def show_model(call: Call) -> Tagged[wire.Model]:
    """Return a model, by its name or an earlier name."""
    model = await call.point(lambda tx: search.show_model(tx, call.actor, call.model))
    return tagged(shapes.model(model, call.actor), model.model.revision)


@table.route("PATCH", "/api/v1/models/{namespace}/{name}")
async def edit_model(call: Call, body: wire.EditModel) -> Answer[wire.Model]:
    """Change annotations, archive or restore; If-Match guards against a concurrent change."""
    visibility = parse_visibility(body.visibility) if body.visibility is not None else None
    edit = ModelEdit(visibility=visibility, **fields_of(body, "visibility"))

    def work(tx: Transaction) -> wire.Model:
        was = catalog.find_model(tx, call.actor, call.model).visibility
        edited = catalog.edit_model(tx, call.actor, call.model, edit, call.seen_revision)
        found = shapes.model(search.show_model(tx, call.actor, edited.name), call.actor)
        return msgspec.structs.replace(found, warning=exposure_warning(found.visibility, was.value))

    return await call.commit(work, etag=revision_tag)


@table.route("POST", "/api/v1/models/{namespace}/{name}/rename")
async def rename_model(call: Call, body: wire.RenameModel) -> Answer[wire.Model]:
    """Rename a model inside its namespace; its old name keeps working."""
    to = ModelName.parse(body.to, call.model.namespace)

    def work(tx: Transaction) -> wire.Model:
        renaming.rename_model(tx, call.actor, call.model, to)
        return _named_model(tx, call, to)

    return await call.commit(work, etag=revision_tag)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}", status=204)
async def delete_model(call: Call, query: Reason) -> Answer[None]:
    """Delete a model and all its versions; names, numbers and digests stay as tombstones."""
    return await call.commit(lambda tx: versions.delete_model(tx, call.actor, call.model, query.reason))
