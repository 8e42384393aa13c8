"""Dangerous versions: registered, explained, served by no one until they are released, on both databases."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from modelyard.blobs.memory import MemoryStore
from modelyard.db.tables import blobs
from modelyard.domain.digest import Digest
from modelyard.domain.errors import VersionQuarantined
from modelyard.domain.names import Ref
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import inspect
from modelyard.registry.versions import usecases as versions
from tests.support import model_files
from tests.support.bad_files import trap, zipped
from tests.support.door import Door, assert_problem
from tests.support.jobs import finish_scans
from tests.support.promotion import policy
from tests.support.registry import Registry, unique

UNKNOWN = b"\x80\x04cmy_corp.utils\nHelper\n)R."


def different(data: bytes) -> bytes:
    """Other bytes with the same globals."""
    return zipped(data, f"{unique('m')}.pkl")


def path_of(made: dict[str, Any]) -> str:
    return f"models/{made['model']}/versions/{made['version']}"


def test_a_dangerous_version_is_kept_explained_and_refused(door: Door, model: str) -> None:
    good = door.register(model)
    bad = door.register(model, different(trap()), aliases=["champion"])
    assert (bad["scan"], bad["quarantined"], bad["aliases"]) == ("dangerous", True, [])
    assert "not moved: @champion" in bad["warning"]
    scan = door.get(f"{path_of(bad)}/scan").json()
    assert (scan["verdict"], scan["quarantined"]) == ("dangerous", True)
    (file,) = scan["files"]
    (finding,) = file["findings"]
    assert (finding["name"], finding["opcode"], finding["verdict"]) == (
        "posix.system",
        "STACK_GLOBAL",
        "dangerous",
    )
    name = file["path"]
    refusals = [
        door.get(f"{path_of(bad)}/files/{name}"),
        door.get(f"{path_of(bad)}/manifest"),
        door.call("PUT", f"models/{model}/aliases/champion", json={"version": bad["version"]}),
        door.call("POST", f"models/{model}/promotions", json={"stage": "staging", "version": bad["version"]}),
        door.call(
            "POST",
            f"models/{model}/promotions",
            json={"stage": "staging", "version": bad["version"], "dry_run": True},
        ),
    ]
    for answer in refusals:
        assert_problem(answer, 409, "version_quarantined")
    # Without a version: the newest that is served.
    assert door.get(f"resolve?ref={model}").json()["version"] == good["version"]
    resolved = door.get(f"resolve?ref={model}:{bad['version']}").json()
    assert resolved["quarantined"]
    assert "quarantine" in resolved["warning"]
    listed = door.get(f"quarantine?namespace={model.partition('/')[0]}").json()["items"]
    assert [item["reference"] for item in listed] == [bad["reference"]]
    kinds = [event["kind"] for event in door.get(f"models/{model}/history").json()["items"]]
    assert kinds.count("version.quarantined") == 1
    # What it is can be looked at.
    assert door.get(f"{path_of(bad)}/files").status_code == 200


def test_a_release_needs_the_right_and_a_reason_and_is_logged(door: Door, model: str) -> None:
    bad = door.register(model, different(trap()))
    contributor = door.registry.user()
    namespace = model.partition("/")[0]
    door.call("PUT", f"namespaces/{namespace}/members/{contributor.name}", json={"role": "contributor"})
    other = door.as_(door.token_of(contributor))
    assert_problem(other.call("POST", f"{path_of(bad)}/release", json={"reason": "please"}), 403, "denied")
    assert_problem(door.call("POST", f"{path_of(bad)}/release", json={"reason": " "}), 400, "invalid")
    done = door.call("POST", f"{path_of(bad)}/release", json={"reason": "made by our own exporter"})
    assert done.status_code == 200, done.text
    assert (done.json()["quarantined"], done.json()["verdict"]) == (False, "dangerous")
    assert done.json()["released"]["reason"] == "made by our own exporter"
    assert door.get(f"{path_of(bad)}/manifest").status_code == 200
    assert door.get(f"resolve?ref={model}").json()["version"] == bad["version"]
    assert_problem(door.call("POST", f"{path_of(bad)}/release", json={"reason": "again"}), 409, "conflict")
    newest = door.get(f"models/{model}/history").json()["items"][0]
    assert (newest["kind"], newest["data"]["reason"]) == ("version.released", "made by our own exporter")
    # The release was of one version, not of the files.
    again = door.call(
        "POST",
        f"models/{model}/versions",
        json={"files": door.get(f"{path_of(bad)}/files").json()["items"], "facts": {"params": {"n": 2}}},
    )
    assert again.json()["quarantined"]


@pytest.mark.parametrize("make", [lambda: model_files.pickle_file(5), lambda: model_files.joblib_file(3)])
def test_a_benign_pickle_is_served(door: Door, model: str, make: Any) -> None:
    made = door.register(model, make(), aliases=["champion"])
    assert (made["scan"], made["quarantined"], made["aliases"]) == ("allowlisted", False, ["champion"])
    assert door.get(f"{path_of(made)}/manifest").status_code == 200


def test_files_without_code_say_so(door: Door, model: str) -> None:
    assert door.register(model)["scan"] == "no_code"


def test_the_scan_gate_reads_the_verdict(door: Door, model: str) -> None:
    namespace = model.partition("/")[0]
    first = door.register(model, different(UNKNOWN))
    put = door.call("PUT", f"models/{model}/policy", json={"text": policy("scan: {}", to="staging")})
    assert put.status_code in (200, 201), put.text
    loose = {"serve": True, "reason": "a laboratory"}
    assert door.call("PUT", f"namespaces/{namespace}/serve-unknown", json=loose).status_code == 200
    ask = {"stage": "staging", "version": first["version"], "dry_run": True}
    verdict = door.call("POST", f"models/{model}/promotions", json=ask).json()["verdict"]
    (rule,) = [r for r in verdict["results"] if r["kind"] == "scan"]
    assert (rule["outcome"], "my_corp.utils.Helper" in rule["measured"]) == ("fail", True)
    assert "modelyard scan trust" in rule["fix"]
    door.call("POST", f"namespaces/{namespace}/trusted-globals", json={"name": "my_corp.utils.Helper"})
    verdict = door.call("POST", f"models/{model}/promotions", json=ask).json()["verdict"]
    assert verdict["passed"]


def test_secrets_are_told_by_file_and_line_and_never_shown(door: Door, model: str) -> None:
    key = "AKIA" + "QW4ERTYU7IOPASDF"
    made = door.register(model, f"# settings {unique()}\nkey = {key}\n".encode())
    answer = door.get(f"{path_of(made)}/scan")
    (file,) = answer.json()["files"]
    assert file["secrets"] == [{"line": 2, "kind": "AWS access key"}]
    assert key not in answer.text


# --- what is not finished ----------------------------------------------------------------------------


def test_a_scan_without_time_is_pending_and_finished_later(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash in the middle of it: the version is there, not served, and the next look finishes it."""
    model = f"{unique('space')}/scorer"
    monkeypatch.setattr(inspect, "REGISTRATION_SECONDS", -1.0)
    view = registry.register(registry.root, model, data=different(trap()), aliases=("champion",))
    assert (view.version.scan, view.version.quarantined, view.aliases) == ("pending", 0, [])
    ref = Ref.parse(f"{model}:1")
    with pytest.raises(Exception, match="still being scanned"):
        registry.db.read(lambda tx: pull(tx, registry, ref))
    assert finish_scans(registry.db, registry.blobs) >= 1
    with pytest.raises(VersionQuarantined):
        registry.db.read(lambda tx: pull(tx, registry, ref))
    found = registry.db.read(lambda tx: quarantine.show_scan(tx, registry.root, ref))
    assert (found.verdict, found.version.quarantined) == ("dangerous", 1)
    assert found.model.newest_version is None or found.version.number != found.model.newest_version
    assert finish_scans(registry.db, registry.blobs) == 0


def pull(tx: Any, registry: Registry, ref: Ref) -> Any:
    return versions.pull_manifest(tx, registry.root, ref)


def test_a_version_in_a_stage_that_turns_out_dangerous_is_served_no_more(registry: Registry) -> None:
    """As when a later release knows more: the stage stays, the bytes do not come, no way back leads to it."""
    model = f"{unique('space')}/scorer"
    data = different(trap())
    digest = Digest.of(data)
    registry.send(registry.root, data)
    registry.db.write(lambda tx: set_old_scan(tx, digest, ""))
    registry.register(registry.root, model, data=data, aliases=("champion",))
    registry.db.read(lambda tx: pull(tx, registry, Ref.parse(f"{model}@champion")))
    finish_scans(registry.db, registry.blobs)
    with pytest.raises(VersionQuarantined):
        registry.db.read(lambda tx: pull(tx, registry, Ref.parse(f"{model}@champion")))


def set_old_scan(tx: Any, digest: Digest, scan: str) -> None:
    """As a release with older rules left it."""
    uploads.set_scan(tx, digest, scan)
    tx.execute(blobs.update().where(blobs.c.digest == digest).values(scan_rules=1))


def test_bytes_that_are_gone_are_not_scanned(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(registry.blobs, MemoryStore)
    model = f"{unique('space')}/scorer"
    monkeypatch.setattr(inspect, "REGISTRATION_SECONDS", -1.0)
    data = different(pickle.dumps([unique()]))
    registry.register(registry.root, model, data=data)
    registry.blobs.delete(Digest.of(data))
    finish_scans(registry.db, registry.blobs)
    # The registry is shared with other tests, which are to find it whole.
    registry.blobs.put([data], Digest.of(data))
    found = registry.db.read(lambda tx: quarantine.show_scan(tx, registry.root, Ref.parse(f"{model}:1")))
    assert found.verdict == "not_scanned"
    assert found.version.quarantined
