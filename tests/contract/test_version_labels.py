"""The semantic version and the pull request of a version: set, changed, unique, shown, found."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.errors import Conflict, Invalid
from modelyard.registry.redaction import usecases as redaction
from modelyard.registry.versions.labels import Labels
from modelyard.registry.versions.usecases import VersionEdit, delete_version, edit_version, show_version
from tests.support.door import Door
from tests.support.registry import Registry, ref

PULL = "https://git.example.org/fraud/pulls/17"


def labelled(registry: Registry, model: str, number: int, **labels: str) -> None:
    edit = VersionEdit(**labels)
    registry.db.write(lambda tx: edit_version(tx, registry.root, ref(f"{model}:{number}"), edit))


def shown(registry: Registry, model: str, number: int) -> tuple[str | None, str | None]:
    version = registry.db.read(lambda tx: show_version(tx, registry.root, ref(f"{model}:{number}"))).version
    return version.semver, version.pull_request


def test_a_push_sets_them_and_an_edit_changes_and_removes_them(registry: Registry, model: str) -> None:
    made = registry.register(registry.root, model, labels=Labels("v1.0.0", PULL + "/"))
    assert (made.version.semver, made.version.pull_request) == shown(registry, model, 1) == ("1.0.0", PULL)
    labelled(registry, model, 1, semver="1.0.1")
    assert shown(registry, model, 1) == ("1.0.1", PULL)
    labelled(registry, model, 1, semver="", pull_request="")
    assert shown(registry, model, 1) == (None, None)


def test_no_two_versions_have_the_same_one_unless_it_was_deleted(registry: Registry, model: str) -> None:
    registry.register(registry.root, model, data=b"1", labels=Labels("1.0.0"))
    with pytest.raises(Conflict, match=r"version 1 of .* has the semantic version 1\.0\.0"):
        registry.register(registry.root, model, data=b"2", labels=Labels("1.0.0"))
    registry.register(registry.root, model, data=b"2")
    with pytest.raises(Conflict):
        labelled(registry, model, 2, semver="1.0.0")
    # The same one again is no change.
    labelled(registry, model, 1, semver="1.0.0")
    registry.register(registry.root, f"{model}-other", labels=Labels("1.0.0"))
    registry.db.write(lambda tx: delete_version(tx, registry.root, ref(f"{model}:1")))
    labelled(registry, model, 2, semver="1.0.0")
    assert shown(registry, model, 2)[0] == "1.0.0"


def test_a_push_of_a_version_that_exists_adds_labels_but_changes_none(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)
    view, is_new = registry.try_register(registry.root, model, labels=Labels("1.0.0"))
    assert (is_new, view.version.semver) == (False, "1.0.0")
    revision = view.version.revision
    view, _ = registry.try_register(registry.root, model, labels=Labels("1.0.0"))
    assert view.version.revision == revision
    with pytest.raises(Conflict, match=r"its semantic version is 1\.0\.0, not 2\.0\.0.*--semver 2\.0\.0"):
        registry.try_register(registry.root, model, labels=Labels("2.0.0"))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "git.example.org/1", "https://", "https://a b/", "http://[x"]
)
def test_an_address_that_is_none_is_refused(registry: Registry, model: str, url: str) -> None:
    registry.register(registry.root, model)
    with pytest.raises(Invalid, match="not the address of a pull request"):
        labelled(registry, model, 1, pull_request=url)


def test_the_api_shows_filters_and_logs_them(door: Door, model: str) -> None:
    registry = door.registry

    def ok(method: str, path: str, **options: Any) -> Any:
        answer = door.call(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for data, semver in ((b"1", "1.0.0"), (b"2", "1.0.1"), (b"3", "1.10.0"), (b"4", "2.0.0-rc.1")):
        registry.register(registry.root, model, data=data, labels=Labels(semver))
    path = f"/api/v1/models/{model}"
    answer = ok("PATCH", f"{path}/versions/4", json={"semver": "2.0.0", "pull_request": PULL})
    assert (answer["semver"], answer["pull_request"]) == ("2.0.0", PULL)

    def numbers(**query: str) -> list[int]:
        return [item["version"] for item in ok("GET", f"{path}/versions", params=query)["items"]]

    assert numbers(semver="1") == [3, 2, 1]
    assert numbers(semver="1.0") == [2, 1]
    assert numbers(semver="1.1") == []
    assert numbers(semver="2.0.0") == numbers(pull_request=PULL + "/") == [4]
    assert numbers(semver="2.0.0-rc.1") == []

    def models(**query: str) -> list[str]:
        query["namespace"] = model.partition("/")[0]
        return [item["name"] for item in ok("GET", "/api/v1/models", params=query)["items"]]

    assert (
        models(semver="1.10")
        == models(pull_request=PULL)
        == models(q="2.0.0")
        == models(q="pulls 17")
        == [model]
    )
    assert (
        models(semver="3") == models(semver="1.1") == models(pull_request=PULL[:-1]) == models(q="1.10.0") == []
    )
    newest = ok("GET", f"{path}/history", params={"kind": "version.edited"})["items"][0]
    assert newest["data"]["changes"] == {"semver": ["2.0.0-rc.1", "2.0.0"], "pull_request": [None, PULL]}


def test_a_secret_in_them_can_be_redacted(registry: Registry, model: str) -> None:
    registry.register(registry.root, model, labels=Labels(pull_request=f"{PULL}?key=hunter2hunter2"))
    namespace = model.partition("/")[0]
    registry.db.write(
        lambda tx: redaction.redact_text(
            tx, registry.blobs, registry.root, namespace, "hunter2hunter2", "it leaked"
        )
    )
    assert "hunter2" not in str(shown(registry, model, 1))
