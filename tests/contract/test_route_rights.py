"""No route forgets to ask: every one of them, as callers who may not, with the state before and after.

A route that is added later is walked too; one that needs a value which is not listed here fails by its name.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from modelyard.api.tables import TABLES
from modelyard.doors import authentication as auth
from modelyard.doors.call import Call
from modelyard.doors.dispatch import Endpoint
from modelyard.doors.table import RouteSpec
from modelyard.registry.access import usecases as access
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import JobKind
from modelyard.registry.scan.waiting import ScanBytes
from modelyard.wire.base import Answer
from tests.support.door import Door, digest_of
from tests.support.parts import EVERYTHING
from tests.support.registry import unique
from tests.support.routes import Caller, Place, walk

SPECS = [spec for table in TABLES for spec in table.specs]

PUBLIC = {
    "show_policy_schema": "the same text for everybody, shipped with the program",
    "show_policy_example": "the same text for everybody, shipped with the program",
    "show_recipe_schema": "the same text for everybody, shipped with the program",
    "show_recipe_example": "the same text for everybody, shipped with the program",
    "sign_in": "is how one gets in",
    "show_audience": "an address that the server tells everybody",
    "exchange_token": "is how a CI job gets in",
    "health": "a probe without a token",
    "ready": "a probe without a token",
}
"""Routes that answer without a token, with the reason."""

OWN = frozenset({"sign_out", "find_missing", "put_blob", "start_upload", "check_recipe"})
"""What concerns no one but the caller: its own session, bytes that it sends, a text that is only parsed."""
OF_EVERYBODY = OWN | {"create_namespace"}
"""What every account may do for itself."""


@pytest.fixture(scope="module")
def door(small_door: Door) -> Door:
    return small_door


def walked(door: Door, place: Place, caller: Caller) -> list[str]:
    """Walk all routes; on PostgreSQL a third of them, another third for each caller, since rights are asked by the same code.
    `make edges` walks all."""
    specs = SPECS
    if not door.registry.db.is_sqlite and not EVERYTHING:
        specs = SPECS[len(caller.name) % 3 :: 3]
    return walk(door, specs, place, caller)


@pytest.fixture(scope="module")
def place(door: Door) -> Place:
    space, name = unique("walked"), "scorer"
    model = f"{space}/{name}"
    secret_word = unique("hidden-word")
    metrics = [{"name": "f1", "value": 0.5}]
    door.register(model, b"walked bytes", description=secret_word, facts={"metrics": metrics})
    body = {"version": 1, "stage": "staging", "request": True}
    promotion = door.call("POST", f"models/{model}/promotions", json=body).json()
    comment = door.call("POST", f"models/{model}/comments", json={"body": secret_word}).json()
    target = {"kind": "webhook", "target": "https://example.org/hook", "namespace": space}
    subscription = door.call("POST", "subscriptions", json=target).json()
    publisher = door.call("POST", f"namespaces/{space}/publishers", json=PUBLISHER).json()
    payload = ScanBytes("sha256:" + "b" * 64)
    job = door.registry.db.write(
        lambda tx: jobs.enqueue(tx, JobKind("walked", ScanBytes), payload, namespace=space)
    )
    group = door.registry.group()
    token = door.call("POST", "tokens", json={"name": "walked"}).json()
    entry = {"name": "transactions", "digest": "sha256:" + "a" * 64}
    assert door.call("POST", f"namespaces/{space}/datasets", json={"entry": entry}).status_code < 300
    run = "0" * 32
    made = door.call("PUT", f"runs/{run}", json={"experiment": f"{space}/walked"})
    assert made.status_code < 300, made.text
    kept = door.call("PUT", f"namespaces/{space}/secrets/HF_TOKEN", json={"value": "long enough"})
    assert kept.status_code == 200, kept.text
    recipe = f"version: 1\nmodel: {model}\ntrain: python train.py\n"
    build = door.call("POST", "builds", json={"recipe": recipe})
    assert build.status_code == 201, build.text
    schedule = door.call("POST", "schedules", json={"build": build.json()["id"], "every": "1h"})
    assert schedule.status_code == 201, schedule.text
    entered = door.call("POST", f"models/{model}/promotions", json={"version": 1, "stage": "development"})
    assert entered.status_code == 201, entered.text
    image = {"digest": digest_of(b"image"), "reference": "registry.example.com/scorer:1"}
    assert door.call("PUT", f"models/{model}/versions/1/image", json=image).status_code == 200
    deployed = door.call("POST", "deployments", json={"version": f"{model}@development", "reason": secret_word})
    assert deployed.status_code == 201, deployed.text
    parameters = {
        "deployment": name,
        "build": build.json()["id"],
        "schedule": str(schedule.json()["id"]),
        "attempt": "1",
        "namespace": space,
        "name": name,
        "version": "1",
        "path": f"{digest_of(b'walked bytes')[7:15]}.bin",
        "digest": digest_of(b"bytes"),
        "upload": "0" * 32,
        "alias": "champion",
        "promotion": str(promotion["promotion"]["id"] if "promotion" in promotion else promotion["id"]),
        "stage": "staging",
        "run": run,
        "dataset": "transactions",
        "account": "root",
        "group": group,
        "token": str(token["id"]),
        "seq": "0",
        "subscription": str(subscription["id"]),
        "job": str(job),
        "secret": "HF_TOKEN",
        "publisher": str(publisher["id"]),
        "comment": str(comment["id"]),
        "revision": "1",
        "start": str(int(time.time()) // 3600 * 3600),
        "part": "walked",
        "role": "canary",
    }
    text = "version: 1\npromote: [{to: staging, rules: []}]"
    values: dict[str, Any] = {
        "Observation.seconds": 3600,
        "Observation.requests": 1,
        "EditMonitor.of": 9,
        "recipe": recipe,
        "CreateSchedule.recipe": recipe,
        "CreateSchedule.every": "1h",
        "EditSchedule.every": "2h",
        "Deploy.version": f"{model}:1",
        "StartTrial.version": f"{model}:2",
        "StartTrial.role": "canary",
        "WeighTrial.weight": 20,
        "Deploy.stage": "development",
        "RollbackDeployment.stage": False,
        "on_recall": "swap",
        "ref": f"{model}:1",
        "CompareQuery.ref": [f"{model}:1", f"{model}:2"],
        "files": [{"path": "x.bin", "digest": digest_of(b"walked bytes"), "size_bytes": 12}],
        "blobs": [{"digest": digest_of(b"walked bytes"), "size_bytes": 12}],
        "digest": digest_of(b"bytes"),
        "size_bytes": 5,
        "name": unique("made"),
        "CreateModel.name": f"{space}/{unique('made')}",
        "TrustGlobal.name": "torch.nn.Linear",
        "TrustGlobal.reason": "x",
        "UntrustQuery.name": "torch.nn.Linear",
        "to": unique("renamed"),
        "stage": "staging",
        "Promote.version": 1,
        "approves": True,
        "rule": "approvals",
        "serve": True,
        "reason": "because",
        "value": "long enough",
        "word": "a guess",
        "words": "warning",
        "step": "train",
        "holder": f"{model}:1",
        "WithholdFile.path": f"{digest_of(b'walked bytes')[7:15]}.bin",
        "text": text,
        "SetCard.text": "# Purpose",
        "since": "2026-01-01T00:00:00Z",
        "state": "pass",
        "ReportCheck.name": "unit-tests",
        "metrics": {"f1": 0.5},
        "signature": "A" * 86 + "==",
        "inputs": [{"name": "x"}],
        "writer": "w",
        "first": 1,
        "metric": "f1",
        "description": "x",
        "entry": entry,
        "before": f"{space}/transactions",
        "after": f"{space}/transactions",
        "role": "owner",
        "old": 1,
        "kind": "webhook",
        "target": "https://example.org/hook",
        "CreateSubscription.namespace": space,
        "SubscriptionQuery.namespace": space,
        "ExchangeToken.namespace": space,
        "CreateToken.expires_in_days": 3650,
        "EditAccount.password": "a long enough password",
        "SetAlias.version": 1,
        "EditVersion.description": "x",
        "EditModel.description": "x",
        "EditNamespace.description": "x",
        "EditSubscription.active": False,
        "StartRun.experiment": f"{space}/walked",
        **{f"TrustPublisher.{key}": value for key, value in PUBLISHER.items()},
        "body": "x",
        "token": "x",
    }
    return Place(parameters, values, (secret_word, model))


PUBLISHER = {"kind": "github", "repository": "acme/churn", "owner_id": "4711", "workflow": "train.yml"}


def test_public_routes_are_listed_with_their_reason() -> None:
    assert {spec.operation for spec in SPECS if spec.public} == set(PUBLIC)
    assert all(PUBLIC.values())


def test_without_a_token(door: Door, place: Place) -> None:
    assert walked(door, place, Caller("nobody", None, allowed=frozenset({"sign_out"}))) == []


def test_with_a_token_that_may_do_nothing(door: Door, place: Place) -> None:
    """Of an admin, so that only the token stands between."""
    token = door.token_of(door.registry.root, permissions=[])
    assert walked(door, place, Caller("empty scope", token, allowed=frozenset({"sign_out"}))) == []


def test_with_a_token_of_another_namespace(door: Door, place: Place) -> None:
    """Of an admin, who owns both."""
    other = unique("other")
    assert door.call("POST", "namespaces", json={"name": other}).status_code == 201
    token = door.token_of(door.registry.root, namespace=other)
    assert walked(door, place, Caller("other namespace", token, allowed=OF_EVERYBODY)) == []


def test_with_a_token_of_another_model(door: Door, place: Place) -> None:
    door.register(f"{place.parameters['namespace']}/other")
    token = door.token_of(door.registry.root, namespace=place.parameters["namespace"], model="other")
    assert walked(door, place, Caller("other model", token, allowed=OF_EVERYBODY)) == []


def test_with_an_expired_token(door: Door, place: Place) -> None:
    token = door.token_of(door.registry.root, expires_in_days=1e-9)
    answers = {
        door.call(spec.method, spec.path.replace("{", "").replace("}", ""), token=token).status_code
        for spec in SPECS[::3]
        if not spec.public
    }
    assert answers <= {401, 404}
    assert walked(door, place, Caller("expired", token)) == []


def test_with_a_strangers_token(door: Door, place: Place) -> None:
    stranger = door.registry.user()
    token = door.token_of(stranger)
    may = OF_EVERYBODY | {"create_token", "mark_notifications_read"}
    assert walked(door, place, Caller("stranger", token, allowed=may)) == []


def test_with_a_readers_token(door: Door, place: Place) -> None:
    reader = door.registry.user()
    path = f"namespaces/{place.parameters['namespace']}/members/{reader.name}"
    assert door.call("PUT", path, json={"role": "reader"}).status_code == 204
    may = OF_EVERYBODY | {
        "create_token",
        "accept_terms",
        "compare_datasets",
        "mark_notifications_read",
        "write_comment",
        "star_model",
        "unstar_model",
        "watch_model",
        "unwatch_model",
        "verify_version",
        "check_signature",
        "test_model_policy",
        "test_namespace_policy",
    }
    assert walked(door, place, Caller("reader", door.token_of(reader), reads=True, allowed=may)) == []


class _Nothing(Answer):
    pass


async def _forgetful(call: Call) -> _Nothing:
    """Change something without asking anybody."""

    def change(tx: Any) -> None:
        access.note_failed_sign_ins(tx, "token", "nowhere", 1, None)

    await call.services.db.awrite(change)
    return _Nothing()


async def _silent(call: Call) -> _Nothing:
    """Answer a change as done, without asking anybody."""
    return _Nothing()


@pytest.mark.parametrize("handler", [_forgetful, _silent], ids=lambda handler: handler.__name__)
@pytest.mark.parametrize("permissions", [[], None])
def test_a_route_that_forgets_to_ask_is_found(
    door: Door, place: Place, handler: Any, permissions: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = RouteSpec("POST", "/api/v1/forgetful", handler)
    endpoint = Endpoint(spec, door.services, auth.authenticate)
    dispatch = door.client.app._app._app  # type: ignore[attr-defined]
    monkeypatch.setitem(dispatch._fixed, ("POST", spec.path), endpoint)
    token = None if permissions is None else door.token_of(door.registry.root, permissions=permissions)
    found = walk(door, [spec], place, Caller("anybody", token))
    assert len(found) == 1
    assert "/api/v1/forgetful" in found[0]


def test_a_route_that_needs_an_unknown_value_is_found(door: Door, place: Place) -> None:
    spec = replace(SPECS[0], path="/api/v1/things/{thing}")
    with pytest.raises(KeyError, match="thing"):
        walk(door, [spec], place, Caller("anybody", None))
