"""Routes of policies of namespaces and models."""

from __future__ import annotations

from typing import Annotated

from starlette.responses import Response

from modelyard.api import promotion_shapes as shapes
from modelyard.api.conversion import to_wire
from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.errors import Unauthenticated
from modelyard.domain.names import parse_namespace
from modelyard.doors.answers import Tagged, tagged
from modelyard.doors.authentication import authenticate
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.paging import Paging
from modelyard.doors.parsing import parse_time
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.promotion import policies
from modelyard.registry.promotion.replay import replay
from modelyard.registry.promotion.schema import example_policy, policy_schema
from modelyard.registry.promotion.source import PolicySource
from modelyard.wire import policy as wire
from modelyard.wire.base import PageQuery, Reason, encode

table = RouteTable(__name__)
_NAMESPACE = "/api/v1/namespaces/{namespace}/policy"
_MODEL = "/api/v1/models/{namespace}/{name}/policy"


def _of(call: Call) -> tuple[str, str | None]:
    if "name" in call.path:
        return call.model.namespace, call.model.name
    return parse_namespace(call.path["namespace"]), None


@table.route("GET", "/api/v1/policy/schema", public=True)
async def show_policy_schema(call: Call) -> Annotated[Response, "application/schema+json"]:
    """Return the JSON schema of the policy file."""
    return Response(encode(policy_schema()), media_type="application/schema+json")


@table.route("GET", "/api/v1/policy/example", public=True)
async def show_policy_example(call: Call) -> Annotated[Response, "application/yaml"]:
    """Return a commented first policy that names the caller as its editor."""
    try:
        actor = await authenticate(call.request, call.services)
    except Unauthenticated:
        actor = ANONYMOUS
    editor = None if actor.is_anonymous else actor.name
    return Response(example_policy(editor), media_type="application/yaml")


async def _show(call: Call) -> Tagged[wire.Policy]:
    view = await call.read(lambda tx: policies.show_policy(tx, call.actor, *_of(call)))
    shown = shapes.policy(view)
    return tagged(shown, shown.revision)


async def _set(call: Call, body: wire.SetPolicy) -> Answer[wire.Policy]:
    namespace, model = _of(call)
    if body.dry_run:
        tried = await call.read(lambda tx: policies.try_policy(tx, call.actor, namespace, model, body.text))
        return Answer(200, encode(shapes.policy(tried)))
    return await call.commit(
        lambda tx: shapes.policy(
            policies.set_policy(
                tx,
                call.actor,
                namespace,
                model,
                body.text,
                reason=body.reason,
                seen=call.seen_state,
                source=PolicySource(body.source.url, body.source.commit) if body.source else None,
            )
        ),
        etag=revision_tag,
    )


async def _remove(call: Call, reason: str | None) -> Answer[wire.Policy]:
    namespace, model = _of(call)
    return await call.commit(
        lambda tx: shapes.policy(
            policies.remove_policy(tx, call.actor, namespace, model, reason=reason, seen=call.seen_revision)
        ),
        etag=revision_tag,
    )


async def _history(call: Call, query: PageQuery) -> wire.PolicyVersionPage:
    paging = Paging.of(query, int)
    _, found = await call.read(
        lambda tx: policies.list_policy_versions(tx, call.actor, *_of(call), paging.start, paging.count)
    )
    return paging.answer(
        wire.PolicyVersionPage,
        found,
        lambda v: to_wire(v, wire.PolicyVersion),
        key=lambda version: (version.number,),
    )


async def _test(call: Call, body: wire.TestPolicy) -> wire.PolicyTest:
    namespace, model = _of(call)
    since = parse_time(body.since)
    found = await call.in_thread(
        "exports",
        call.services.db.read,
        lambda tx: replay(tx, call.actor, namespace, model, body.text, since=since),
    )
    return wire.PolicyTest(
        of=f"{namespace}/{model}" if model else namespace,
        judged=len(found),
        differing=sum(item.differs for item in found),
        items=[shapes.replayed(item) for item in found],
    )


@table.route("GET", _NAMESPACE)
async def show_namespace_policy(call: Call) -> Tagged[wire.Policy]:
    """Return the policy of a namespace; the ETag is its number."""
    return await _show(call)


@table.route("PUT", _NAMESPACE)
async def set_namespace_policy(call: Call, body: wire.SetPolicy) -> Answer[wire.Policy]:
    """Put a policy in force for all models of a namespace. If-Match guards against a concurrent change."""
    return await _set(call, body)


@table.route("DELETE", _NAMESPACE)
async def remove_namespace_policy(call: Call, query: Reason) -> Answer[wire.Policy]:
    """Remove a namespace's policy; its texts stay in the history."""
    return await _remove(call, query.reason)


@table.route("GET", f"{_NAMESPACE}/history")
async def list_namespace_policies(call: Call, query: PageQuery) -> wire.PolicyVersionPage:
    """List all policies that a namespace has had, newest first."""
    return await _history(call, query)


@table.route("POST", f"{_NAMESPACE}/test")
async def test_namespace_policy(call: Call, body: wire.TestPolicy) -> wire.PolicyTest:
    """Judge a namespace's past promotions under another policy; nothing is changed."""
    return await _test(call, body)


@table.route("GET", _MODEL)
async def show_model_policy(call: Call) -> Tagged[wire.Policy]:
    """Return the policies of a model: its own, its namespace's, and the effective one."""
    return await _show(call)


@table.route("PUT", _MODEL)
async def set_model_policy(call: Call, body: wire.SetPolicy) -> Answer[wire.Policy]:
    """Put a policy in force for one model. If-Match guards against a concurrent change."""
    return await _set(call, body)


@table.route("DELETE", _MODEL)
async def remove_model_policy(call: Call, query: Reason) -> Answer[wire.Policy]:
    """Remove a model's own policy; its texts stay in the history."""
    return await _remove(call, query.reason)


@table.route("GET", f"{_MODEL}/history")
async def list_model_policies(call: Call, query: PageQuery) -> wire.PolicyVersionPage:
    """List all policies of its own that a model has had, newest first."""
    return await _history(call, query)


@table.route("POST", f"{_MODEL}/test")
async def test_model_policy(call: Call, body: wire.TestPolicy) -> wire.PolicyTest:
    """Judge a model's past promotions under another policy of its own; nothing is changed."""
    return await _test(call, body)
