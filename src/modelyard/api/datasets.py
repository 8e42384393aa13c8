"""Routes of datasets."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from starlette.responses import Response

from modelyard.api import dataset_shapes as shapes
from modelyard.api.conversion import to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.profile import MEDIA_TYPE
from modelyard.doors.answers import is_seen
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.datasets.nouns import DatasetVersion
from modelyard.registry.idempotency import Answer
from modelyard.registry.lineage import readers
from modelyard.registry.lineage.usecases import split_dataset_ref
from modelyard.wire import datasets as wire
from modelyard.wire.base import PageQuery

table = RouteTable(__name__)
_NAMESPACE = "/api/v1/namespaces/{namespace}/datasets"


@table.route("POST", _NAMESPACE, status=201)
async def push_dataset(call: Call, body: wire.PushDataset) -> Answer[wire.DatasetVersion]:
    """Register the content of a dataset. Send the bytes of its profile first, as for files."""
    services = call.services
    await call.in_thread("views", datasets.check_profile, services.db, services.blobs, call.actor, body.entry)
    return await call.commit(
        lambda tx: shapes.content(datasets.push_dataset(tx, call.actor, call.path["namespace"], body.entry))
    )


@table.route("GET", _NAMESPACE)
async def list_datasets(call: Call, query: wire.DatasetQuery) -> wire.DatasetPage:
    """List the datasets of a namespace, most recently changed first."""
    paging = Paging.of(query, int, int)
    listed = await call.read(
        lambda tx: datasets.list_datasets(
            tx, call.actor, call.path["namespace"], query.q, paging.start, paging.count
        )
    )
    return paging.answer(
        wire.DatasetPage,
        listed,
        lambda item: to_wire(item[1], wire.Dataset),
        key=lambda item: (item[1].updated_at, item[0]),
    )


@table.route("GET", f"{_NAMESPACE}/{{dataset}}")
async def list_dataset_versions(call: Call, query: PageQuery) -> wire.DatasetVersionPage:
    """List the contents of a dataset, newest first."""
    paging = Paging.of(query, int)
    contents = await call.read(
        lambda tx: datasets.list_contents(
            tx,
            call.actor,
            call.path["namespace"],
            call.path["dataset"],
            paging.start,
            paging.count,
        )
    )
    return paging.answer(
        wire.DatasetVersionPage,
        contents,
        shapes.content,
        key=lambda content: (content.id,),
    )


def _place(call: Call) -> tuple[str, str, str | None]:
    selector = call.path["digest"]
    return call.path["namespace"], call.path["dataset"], None if selector == "newest" else selector


def _selected(call: Call, tx: Transaction) -> DatasetVersion:
    return datasets.find_content(tx, call.actor, *_place(call))


@table.route("GET", f"{_NAMESPACE}/{{dataset}}/{{digest}}")
async def show_dataset(call: Call) -> wire.ShownDataset:
    """Return a dataset's content (digest: whole, its first eight digits, or newest): its columns and its uses."""
    services = call.services

    def find(tx: Transaction) -> tuple[DatasetVersion, list[readers.Reader]]:
        content = _selected(call, tx)
        return content, readers.list_readers(tx, call.actor, content)

    content, uses = await call.read(find)
    profile = None
    if content.profile is not None:
        profile = await call.in_thread("views", datasets.read_stored_profile, services.blobs, content.profile)
    return shapes.shown(content, profile, uses)


@table.route("GET", f"{_NAMESPACE}/{{dataset}}/{{digest}}/profile", has_etag=True)
async def get_profile(call: Call) -> Annotated[Response, MEDIA_TYPE]:
    """Return the profile's bytes; the ETag is their digest."""
    services = call.services
    profile = await call.point(lambda tx: datasets.find_profile(tx, call.actor, *_place(call)))
    etag = f'"{profile}"'
    if is_seen(call.request, etag):
        return Response(status_code=304, headers={"etag": etag})
    data = await call.in_thread("views", datasets.read_profile_bytes, services.blobs, profile)
    return Response(data, 200, {"etag": etag}, MEDIA_TYPE)


@table.route("GET", "/api/v1/dataset-drift")
async def compare_datasets(call: Call, query: wire.DatasetPair) -> wire.Drift:
    """Compare two contents: schema, distribution of each column, shared keys."""
    services, actor = call.services, call.actor
    pair = [split_dataset_ref(ref, actor.default_namespace) for ref in (query.before, query.after)]
    drift = await call.in_thread(
        "views",
        partial(datasets.compare_contents, services.db, services.blobs, actor, pair[0], pair[1]),
    )
    return shapes.drift(*drift)
