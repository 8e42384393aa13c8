"""Routes of versions: resolve, register, read, edit, archive, delete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, cast

from starlette.responses import Response

from modelyard.api import shapes
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.errors import InvalidRequest
from modelyard.domain.manifest import MANIFEST_MEDIA_TYPE, File, Manifest
from modelyard.domain.metric_names import parse_condition
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record
from modelyard.domain.semantic import parse_semver_condition
from modelyard.doors.answers import Json, Tagged, tagged
from modelyard.doors.call import MANY_ITEMS, Call, answer_with, revision_tag
from modelyard.doors.paging import Paging
from modelyard.doors.parsing import parse_time
from modelyard.doors.table import RouteTable
from modelyard.registry.audit import usecases as audit
from modelyard.registry.audit.nouns import EventFilter
from modelyard.registry.idempotency import Answer
from modelyard.registry.retention import usecases as retention
from modelyard.registry.search.rules import parse_tag
from modelyard.registry.versions import images, keeping, registering
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.inspect import inspect_files
from modelyard.registry.versions.labels import Labels, check_pull_request
from modelyard.registry.versions.nouns import Resolved
from modelyard.registry.versions.registering import Registration
from modelyard.registry.versions.usecases import VersionEdit, VersionFilter
from modelyard.registry.versions.warnings import warnings_of_resolved
from modelyard.registry.withheld.nouns import WithheldFile
from modelyard.wire import audit as audit_wire
from modelyard.wire import versions as wire
from modelyard.wire.base import Reason, encode_long

table = RouteTable(__name__)


@table.route("GET", "/api/v1/resolve")
async def resolve(call: Call, query: wire.ResolveQuery) -> Tagged[wire.Resolved]:
    """Resolve a reference to the version it means now: namespace/name with :version, @alias, @sha256:… or nothing."""
    actor, services = call.actor, call.services
    asked, revision = (actor.id, actor.token_id, query.ref, query.serving), (await call.revisions()).all
    remembered = services.resolved.find(revision, asked)
    if remembered is not None:
        return cast("Tagged[wire.Resolved]", remembered)
    ref = Ref.parse(query.ref, actor.default_namespace)

    def read(tx: Transaction) -> tuple[Resolved, Sequence[WithheldFile]]:
        resolved = versions.resolve(tx, actor, ref)
        return resolved, versions.list_withheld(tx, resolved)

    async def answer() -> Tagged[wire.Resolved]:
        resolved, withheld = await call.point(read)
        warnings = warnings_of_resolved(resolved, ref, serving=query.serving)
        return tagged(shapes.resolved(resolved, withheld, warnings))

    return cast("Tagged[wire.Resolved]", await services.resolved.read(revision, asked, answer))


@table.route(
    "POST",
    "/api/v1/models/{namespace}/{name}/versions",
    status=201,
    has_large_body=True,
    also={200: "The same version exists already"},
)
async def register_version(call: Call, body: wire.RegisterVersion) -> Answer[wire.Version]:
    """Register files and facts as the model's next version. 200 with the existing version if it is the same."""
    services = call.services
    wanted = await call.compute(_registration, call.model, body, services.settings.max_files_per_version)
    inspect = partial(inspect_files, services.db, services.blobs)

    def work(tx: Transaction) -> Answer[wire.Version]:
        registered = registering.register_version(tx, call.actor, services.catalog, wanted, inspect)
        shown = shapes.version(registered.view, created=registered.is_new)
        return answer_with(shown, 201 if registered.is_new else 200, revision_tag(shown))

    return await call.commit_answer(work)


def _registration(model: ModelName, body: wire.RegisterVersion, max_files: int) -> Registration:
    files = (File(entry.path, Digest.parse(entry.digest), entry.size_bytes) for entry in body.files)
    manifest = Manifest.of(files, max_files)
    return Registration(
        model=model,
        manifest=manifest,
        record=Record.of(body.facts),
        description=body.description,
        tags=body.tags,
        aliases=[Alias.parse(alias) for alias in body.aliases],
        labels=Labels(body.semver, body.pull_request),
        force_new=body.force_new,
    )


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions")
async def list_versions(call: Call, query: wire.VersionQuery) -> wire.VersionPage:
    """List the versions of a model, newest first."""
    paging = Paging.of(query, int)
    tags = {}
    for tag in query.tag:
        key, value = parse_tag(tag)
        if value is None:
            raise InvalidRequest(reason=f"tag condition {tag[:60]!r} has no value", fix="Write tag=key=value")
        tags[key] = value
    wanted = VersionFilter(
        states=tuple(query.state),
        tags=tags,
        metrics=tuple(parse_condition(metric) for metric in query.metric),
        semver=parse_semver_condition(query.semver) if query.semver else None,
        pull_request=check_pull_request(query.pull_request) if query.pull_request else None,
    )
    listed = await call.read(
        lambda tx: versions.list_versions(tx, call.actor, call.model, wanted, paging.start, paging.count)
    )
    return paging.answer(wire.VersionPage, listed, shapes.version, key=lambda view: (view.version.number,))


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}")
async def show_version(call: Call) -> Tagged[wire.Version]:
    """Return a version, even a deleted one."""
    view = await call.point(lambda tx: versions.show_version(tx, call.actor, call.ref))
    return tagged(shapes.version(view), view.version.revision)


@table.route("PATCH", "/api/v1/models/{namespace}/{name}/versions/{version}")
async def edit_version(call: Call, body: wire.EditVersion) -> Answer[wire.Version]:
    """Change annotations, archive or restore; If-Match guards against a concurrent change."""
    edit = VersionEdit(body.description, body.tags, body.archived, body.reason, body.semver, body.pull_request)
    return await call.commit(
        lambda tx: shapes.version(versions.edit_version(tx, call.actor, call.ref, edit, call.seen_revision)),
        etag=revision_tag,
    )


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/versions/{version}", status=204)
async def delete_version(call: Call, query: wire.DeleteVersion) -> Answer[None]:
    """Delete a version. Its number and digest stay; its bytes are deleted by the next collection."""
    return await call.commit(
        lambda tx: versions.delete_version(
            tx, call.actor, call.ref, query.reason, orphan_children=query.orphan_children
        )
    )


@table.route("PUT", "/api/v1/models/{namespace}/{name}/versions/{version}/keep")
async def keep_version(call: Call, body: wire.KeepVersion) -> Answer[wire.Version]:
    """Mark a version as one that must be kept: no one may delete it, and no retention rule touches it."""
    return await call.commit(
        lambda tx: shapes.version(keeping.keep_version(tx, call.actor, call.ref, body.reason)),
        etag=revision_tag,
    )


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/versions/{version}/keep")
async def end_keep(call: Call, query: Reason) -> Answer[wire.Version]:
    """Remove the mark that a version must be kept."""
    return await call.commit(
        lambda tx: shapes.version(keeping.end_keep(tx, call.actor, call.ref, query.reason)),
        etag=revision_tag,
    )


@table.route("PUT", "/api/v1/models/{namespace}/{name}/versions/{version}/image")
async def record_image(call: Call, body: wire.RecordImage) -> Answer[wire.Version]:
    """Record a container image that was made of a version; its fact `image` is known from then on."""
    return await call.commit(
        lambda tx: shapes.version(images.record_image(tx, call.actor, call.ref, body.digest, body.reference)),
        etag=revision_tag,
    )


# --- what a version holds --------------------------------------------------------------------------


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/files")
async def list_files(call: Call) -> Json[wire.FileList]:
    """List the files of a version, by path."""
    model, version, body = await call.point(lambda tx: versions.read_manifest(tx, call.actor, call.ref))

    def show() -> Json[wire.FileList]:
        files = [
            wire.FileEntry(path=f.path, digest=f.digest, size_bytes=f.size_bytes, media_type=f.media_type)
            for f in Manifest.from_bytes(body).files
        ]
        reference = f"{model.name}:{version.number}"
        shown = wire.FileList(reference=reference, digest=version.digest, items=files)
        return Json(encode_long(shown, "items"), 200)

    if version.file_count > MANY_ITEMS:
        return await call.in_thread("views", show)
    return show()


def _frozen(body: bytes, digest: str, media_type: str) -> Response:
    headers = {
        "etag": f'"{digest}"',
        "docker-content-digest": digest,
        "cache-control": "private, max-age=31536000",
    }
    return Response(body, 200, headers, media_type)


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/manifest", has_etag=True)
async def show_manifest(call: Call) -> Annotated[Response, MANIFEST_MEDIA_TYPE]:
    """Return the manifest's canonical bytes; their SHA-256 is the version digest."""
    _, version, body = await call.point(lambda tx: versions.pull_manifest(tx, call.actor, call.ref))
    return _frozen(body, version.digest, MANIFEST_MEDIA_TYPE)


@table.route("GET", "/api/v1/models/{namespace}/{name}/versions/{version}/record", has_etag=True)
async def show_record(call: Call) -> Annotated[Response, "application/json"]:
    """Return the record's canonical bytes: code, data, environment, image, metrics, params and more."""
    version = await call.point(lambda tx: versions.show_record(tx, call.actor, call.ref))
    return _frozen(version.record.text.encode(), version.record_digest, "application/json")


@table.route("POST", "/api/v1/models/{namespace}/{name}/versions/{version}/verify")
async def verify_version(call: Call) -> wire.Verification:
    """Read the stored bytes of a version again, and list damaged files."""
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
        version=query.version,
    )


def log_scope(query: wire.LogQuery | audit_wire.ExportQuery) -> audit.LogScope:
    model = ModelName.parse(query.model) if query.model is not None else None
    return audit.LogScope(query.namespace, model)


@table.route("GET", "/api/v1/models/{namespace}/{name}/history")
async def list_history(call: Call, query: wire.EventQuery) -> wire.EventPage:
    """List all events of a model, newest first."""
    paging = Paging.of(query, int)
    chosen = event_filter(query)
    page = await call.read(
        lambda tx: audit.list_history(tx, call.actor, call.model, chosen, paging.start, paging.count)
    )
    return paging.answer(wire.EventPage, page, shapes.event, key=lambda event: (event.seq,))
