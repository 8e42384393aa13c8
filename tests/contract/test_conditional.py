"""Conditional reads: what carries an ETag answers 304 to it, for as long as not one byte would differ."""

from __future__ import annotations

import re
from typing import Any

import pytest

from modelyard.api.tables import TABLES
from modelyard.doors.table import RouteSpec
from tests.contract.test_datasets import described, door_push
from tests.contract.test_runs import Writer, points, start
from tests.support.door import Door, assert_problem, digest_of
from tests.support.promotion import policy
from tests.support.registry import unique

READS: list[RouteSpec] = [spec for table in TABLES for spec in table.specs if spec.method == "GET"]
QUERIES = {
    "resolve": "ref={model}@champion",
    "compare": "ref={model}:1&ref={model}:2",
    "best_version": "metric=f1",
    "metric_history": "metric=f1",
    "show_lineage": "ref={model}:1",
    "compare_datasets": "before={space}/sales@{digest}&after={space}/sales@{digest}",
    "read_series": "metric=loss",
    "prove_consistency": "old=1",
}


def _asked(spec: RouteSpec, values: dict[str, Any]) -> str:
    """The route's path with what there is of the world below."""
    kinds = {"artifacts/{path:path}": "artifacts/roc.png"}
    path = spec.path
    for pattern, text in kinds.items():
        path = path.replace(pattern, text)
    path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: str(values[found[1]]), path)
    query = QUERIES.get(spec.operation)
    return f"{path}?{query.format(**values)}" if query else path


@pytest.fixture
def world(door: Door, model: str) -> dict[str, Any]:
    """Something at every read that has an ETag."""
    space, name = model.split("/")
    metrics = [{"name": "f1", "value": 0.9}]
    first = door.register(model, aliases=["champion"], facts={"metrics": metrics})
    door.register(model, facts={"metrics": metrics, "params": {"n": 2}})
    card = door.call("PUT", f"models/{model}/versions/1/card", json={"text": "# Purpose"})
    assert card.status_code == 200, card.text
    path = door.get(f"models/{model}/versions/1/files").json()["items"][0]["path"]
    for at in (f"namespaces/{space}/policy", f"models/{model}/policy"):
        assert door.call("PUT", at, json={"text": policy()}).status_code == 200
    data = described("sales")
    assert door_push(door, space, data).status_code == 201
    run = start(door, f"{space}/nightly")
    sent = door.send(b"a picture")
    artifact = {"path": "roc.png", "digest": sent["digest"], "size_bytes": sent["size_bytes"]}
    Writer(door, run).send({"artifacts": [artifact]}, points("loss", [1.0]))
    return {
        "model": model,
        "space": space,
        "namespace": space,
        "name": name,
        "version": 1,
        "first": first,
        "path": path,
        "alias": "champion",
        "dataset": "sales",
        "digest": data.digest,
        "run": run,
    }


def test_what_is_unchanged_is_not_sent_again(door: Door, world: dict[str, Any]) -> None:
    """Every read that says it has an ETag."""
    tagged = [spec for spec in READS if spec.has_etag]
    assert len(tagged) >= 11
    for spec in tagged:
        path = _asked(spec, world)
        first = door.get(path)
        assert first.status_code == 200, (path, first.text)
        etag = first.headers["etag"]
        for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = door.get(path, headers={"if-none-match": given})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag), (path, given)
            assert "content-type" not in again.headers
            assert "content-length" not in again.headers
            assert again.headers.get("cache-control") == first.headers.get("cache-control")
        assert door.call("HEAD", path, headers={"if-none-match": etag}).status_code == 304
        for given in ('"other"', etag.strip('"'), '""', ""):
            other = door.get(path, headers={"if-none-match": given})
            assert (other.status_code, other.content) == (200, first.content), (path, given)


def test_no_other_read_sends_an_etag(door: Door, world: dict[str, Any]) -> None:
    asked = 0
    door.services.stopping.set()
    try:
        for spec in READS:
            names = re.findall(r"{(\w+)", spec.path)
            if spec.has_etag or any(name not in world for name in names):
                continue
            answer = door.get(_asked(spec, world))
            assert "etag" not in answer.headers, spec.path
            asked += answer.status_code == 200
    finally:
        door.services.stopping.clear()
    assert asked > 30


def test_who_has_no_right_learns_nothing(door: Door, world: dict[str, Any]) -> None:
    stranger = door.as_(door.token_of(door.registry.user()))
    path = f"models/{world['model']}"
    headers = {"if-none-match": door.get(path).headers["etag"]}
    assert_problem(stranger.get(path, headers=headers), 404, "model_not_found")
    assert_problem(stranger.get(path, headers={"if-none-match": "*"}), 404, "model_not_found")


def test_what_is_said_elsewhere_is_a_change_too(door: Door, world: dict[str, Any]) -> None:
    """A version's revision stays as it is when an alias moves to it: the revision alone would hide that."""
    model = world["model"]
    version, resolved = f"models/{model}/versions/2", f"resolve?ref={model}:2"

    def changed(path: str, before: Any) -> bool:
        after = door.get(path, headers={"if-none-match": before.headers["etag"]})
        assert after.status_code in (200, 304)
        if after.status_code == 200:
            assert after.content != before.content
        return bool(after.status_code == 200)

    before = door.get(version)
    assert not changed(version, before)
    assert door.call("PUT", f"models/{model}/aliases/canary", json={"version": 2}).status_code == 200
    assert changed(version, before)
    assert door.get(version).json()["revision"] == before.json()["revision"]

    before = door.get(resolved)
    for reason in ("leaked labels", "leaked labels, and worse"):
        recall = {"mode": "warn", "reason": reason}
        assert door.call("PUT", f"{version}/recall", json=recall).status_code == 200
        assert changed(resolved, before)
        before = door.get(resolved)
        assert not changed(resolved, before)


def test_the_etag_of_a_read_guards_a_write(door: Door, world: dict[str, Any]) -> None:
    path = f"models/{world['model']}"
    seen = door.get(path)
    assert seen.headers["etag"].startswith(f'"{seen.json()["revision"]}-')
    weak = door.call("PATCH", path, json={"task": "x"}, headers={"if-match": f"W/{seen.headers['etag']}"})
    assert_problem(weak, 412, "precondition_failed")
    for form in ("{etag}", '"{revision}"'):
        given = form.format(etag=seen.headers["etag"], revision=seen.json()["revision"])
        body = {"description": unique("text")}
        assert door.call("PATCH", path, json=body, headers={"if-match": given}).status_code == 200, form
        assert_problem(door.call("PATCH", path, json=body, headers={"if-match": given}), 412, "edit_conflict")
        seen = door.get(path)
    resolved = door.get(f"resolve?ref={world['model']}").headers["etag"]
    for wrong in (resolved, f'"{digest_of(b"")}"', '"1-"', '"1-xyz"', '"+1"', '"1_0"', "1.5"):
        refused = door.call("PATCH", path, json={"description": "x"}, headers={"if-match": wrong})
        assert_problem(refused, 400, "invalid_request")
