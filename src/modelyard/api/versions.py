"""Routes of versions: resolve, register, read, edit, archive, delete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from starlette.responses import Response

from modelyard.api import shapes
from modelyard.api.paging import cut, decode_cursor, page_limit
from modelyard.api.routing import Call, RouteTable, parse_time, revision_tag, tagged
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidRequest
from modelyard.domain.manifest import MANIFEST_MEDIA_TYPE, File, Manifest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record
from modelyard.registry.audit import usecases as audit
from modelyard.registry.audit.queries import EventFilter
from modelyard.registry.retention import usecases as retention
from modelyard.registry.search.rules import parse_metric, parse_tag
from modelyard.registry.versions import registering
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.deprecation import deprecation_warning
from modelyard.registry.versions.held import held_warning
from modelyard.registry.versions.inspect import inspect_files
from modelyard.registry.versions.queries import Resolved
from modelyard.registry.versions.recalled import recall_warning
from modelyard.registry.versions.registering import NotInspected, Registration
from modelyard.registry.versions.usecases import VersionEdit, VersionFilter
from modelyard.registry.withheld.queries import WithheldFile
from modelyard.registry.withheld.refusals import withheld_warning
from modelyard.wire import audit as audit_wire
from modelyard.wire import versions as wire

table = RouteTable("versions")

NEWEST_WARNING = "this reference names no version, alias or digest, so what it means will change"


@table.route("GET", "/api/v1/resolve", query=wire.ResolveQuery, returns=wire.Resolved, has_etag=True)
async def resolve(call: Call) -> Response:
    """What a reference means now: namespace/name with :version, @alias, @sha256:… or nothing."""
    query, actor, services = call.query, call.actor, call.services
    asked = (actor.id, actor.token_id, query.ref, query.serving)
    remembered = services.resolved.find(asked)
    if remembered is not None:
        return cast(Response, remembered)
    generation = services.resolved.generation
    ref = Ref.parse(query.ref, actor.default_namespace)

    def read(tx: Transaction) -> tuple[Resolved, Sequence[WithheldFile]]:
        found = versions.resolve(tx, actor, ref)
        return found, versions.list_withheld(tx, found)

    found, withheld = await call.point(read)
    warnings = [NEWEST_WARNING] if query.serving and ref.selector is None else []
    reference = f"{found.model}:{found.number}"
    more = (
        held_warning(reference, found.scan, found.quarantined),
        recall_warning(reference, found.recall),
        withheld_warning(reference, found.withheld),
        deprecation_warning(reference, found.deprecation),
    )
    warning = "; ".join([*warnings, *(words for words in more if words)]) or None
    answer = tagged(shapes.resolved(found, withheld, warning))
    services.resolved.keep(generation, asked, answer)
    return answer


@table.route(
    "POST",
    "/api/v1/models/{namespace}/{name}/versions",
    body=wire.RegisterVersion,
    returns=wire.Version,
    status=201,
)
async def register_version(call: Call) -> Any:
    """Freeze files and facts as the model's next version. 200 with the existing one when it is the same."""
    body: wire.RegisterVersion = call.body
    manifest = Manifest.of(
        (File(entry.path, Digest.parse(entry.digest), entry.size) for entry in body.files),
        call.services.settings.max_files_per_version,
    )
    wanted = Registration(
        model=call.model,
        manifest=manifest,
        record=Record.of(body.facts),
        description=body.description,
        tags=body.tags,
        aliases=[Alias.parse(alias) for alias in body.aliases],
        force_new=body.force_new,
    )
    services = call.services

    def work(tx: Transaction, inspected: bool = False) -> Any:
        view, created = registering.register_in(tx, call.actor, services.catalog, wanted, inspected=inspected)
        return shapes.version(view, created=created)

    try:
        answer = await call.commit(work, etag=revision_tag)
    except NotInspected:
        await call.in_thread("exports", inspect_files, services.db, services.blobs, manifest, call.actor.name)
        answer = await call.commit(partial(work, inspected=True), etag=revision_tag)
    if b'"created":false' in answer.body[-40:]:
        return Response(answer.body, 200, answer.headers, "application/json")
    return answer


@table.route(
    "GET", "/api/v1/models/{namespace}/{name}/versions", query=wire.VersionQuery, returns=wire.VersionPage
)
async def list_versions(call: Call) -> wire.VersionPage:
    """The versions of a model, newest first."""
    query: wire.VersionQuery = call.query
    limit = page_limit(query)
    before = decode_cursor(query.cursor, int)
    tags = {}
    for tag in query.tag:
        key, value = parse_tag(tag)
        if value is None:
            raise InvalidRequest(reason=f"tag condition {tag[:60]!r} has no value", fix="Write tag=key=value")
        tags[key] = value
    unknown = [state for state in query.state if state not in versions.STATES]
    if unknown:
        raise InvalidRequest(
            reason=f"{unknown[0][:40]!r} is no state of a version", fix=f"Use {', '.join(versions.STATES)}"
        )
    wanted = VersionFilter(
        states=tuple(query.state), tags=tags, metrics=tuple(parse_metric(metric) for metric in query.metric)
    )
    found = await call.read(
        lambda tx: versions.list_versions(
            tx, call.actor, call.model, wanted, before[0] if before else None, limit + 1
        )
    )
    page, cursor = cut(found, limit, lambda view: (view.version.number,))
    return wire.VersionPage(items=[shapes.version(view) for view in page], next_cursor=cursor)


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}", returns=wire.Version, has_etag=True)
async def show_version(call: Call) -> Response:
    """One version, a deleted one too."""
    view = await call.point(lambda tx: versions.show_version(tx, call.actor, call.ref))
    return tagged(shapes.version(view), view.version.revision)


@table.route(
    "PATCH",
    "/api/v1/models/{namespace}/{name}/versions/{version}",
    body=wire.EditVersion,
    returns=wire.Version,
)
async def edit_version(call: Call) -> Any:
    """Change annotations, archive or bring back; If-Match guards against a change in between."""
    body: wire.EditVersion = call.body

    def work(tx: Transaction) -> wire.Version:
        view = None
        if body.description is not None or body.tags is not None or body.archived is None:
            edit = VersionEdit(body.description, body.tags)
            view = versions.edit_version(tx, call.actor, call.ref, edit, call.seen_revision)
        if body.archived is not None:
            view = versions.archive_version(
                tx,
                call.actor,
                call.ref,
                archived=body.archived,
                reason=body.reason,
                # An edit in the same request has compared the revision, and raised it.
                revision=call.seen_revision if view is None else None,
            )
        assert view is not None
        return shapes.version(view)

    return await call.commit(work, etag=revision_tag)


@table.route(
    "DELETE", "/api/v1/models/{namespace}/{name}/versions/{version}", query=wire.DeleteVersion, status=204
)
async def delete_version(call: Call) -> Any:
    """Delete a version; its number and digest stay, its bytes go at the next collection."""
    query: wire.DeleteVersion = call.query
    return await call.commit(
        lambda tx: versions.delete_version(
            tx, call.actor, call.ref, query.reason, orphan_children=query.orphan_children
        )
    )


# --- what a version holds --------------------------------------------------------------------------


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/files", returns=wire.FileList)
async def list_files(call: Call) -> wire.FileList:
    """The files of a version, by path."""
    model, version, body = await call.point(lambda tx: versions.read_manifest(tx, call.actor, call.ref))
    files = Manifest.from_bytes(body).files
    return wire.FileList(
        reference=f"{model.name}:{version.number}",
        digest=version.digest,
        items=[
            wire.FileEntry(path=f.path, digest=f.digest, size=f.size_bytes, media_type=f.media_type)
            for f in files
        ],
    )


def _frozen(body: bytes, digest: str, media_type: str) -> Response:
    headers = {
        "etag": f'"{digest}"',
        "docker-content-digest": digest,
        "cache-control": "private, max-age=31536000",
    }
    return Response(body, 200, headers, media_type)


@table.route(
    "GET",
    "/api/v1/models/{namespace}/{name}/versions/{version}/manifest",
    returns=MANIFEST_MEDIA_TYPE,
    has_etag=True,
)
async def show_manifest(call: Call) -> Response:
    """The manifest's canonical bytes; their sha256 is the version digest."""
    _, version, body = await call.point(lambda tx: versions.pull_manifest(tx, call.actor, call.ref))
    return _frozen(body, version.digest, MANIFEST_MEDIA_TYPE)


@table.route(
    "GET",
    "/api/v1/models/{namespace}/{name}/versions/{version}/record",
    returns="application/json",
    has_etag=True,
)
async def show_record(call: Call) -> Response:
    """The record's canonical bytes: code, data, environment, image, metrics, params and more."""
    version = await call.point(lambda tx: versions.show_record(tx, call.actor, call.ref))
    return _frozen(version.record.encode(), version.record_digest, "application/json")


@table.route("POST", "/api/v1/models/{namespace}/{name}/versions/{version}/verify", returns=wire.Verification)
async def verify_version(call: Call) -> wire.Verification:
    """Read the stored bytes of a version again and name what is damaged."""
    services = call.services
    damaged = await call.in_thread(
        "exports", retention.verify_version, services.db, services.blobs, call.actor, call.ref
    )
    return wire.Verification(
        reference=str(call.ref),
        damaged=[wire.DamagedFile(path=path, problem=problem) for path, problem in damaged],
    )


# --- history ---------------------------------------------------------------------------------------


def event_filter(query: wire.EventQuery | audit_wire.ExportQuery) -> EventFilter:
    return EventFilter(
        actor=query.actor,
        kinds=tuple(query.kind),
        since=parse_time(query.since) if query.since else None,
        until=parse_time(query.until) if query.until else None,
    )


def log_scope(query: wire.LogQuery | audit_wire.ExportQuery) -> audit.LogScope:
    model = ModelName.parse(query.model) if query.model is not None else None
    return audit.LogScope(query.namespace, model)


@table.route("GET", "/api/v1/models/{namespace}/{name}/history", query=wire.EventQuery, returns=wire.EventPage)
async def list_history(call: Call) -> wire.EventPage:
    """Everything that happened to a model, newest first."""
    limit = page_limit(call.query)
    before = decode_cursor(call.query.cursor, int)
    chosen = event_filter(call.query)
    found = await call.read(
        lambda tx: audit.list_history(
            tx, call.actor, call.model, chosen, before[0] if before else None, limit + 1
        )
    )
    page, cursor = cut(found, limit, lambda event: (event.seq,))
    return wire.EventPage(items=[shapes.event(event) for event in page], next_cursor=cursor)
