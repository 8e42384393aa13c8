"""The state of a version, wherever a version appears: lists, stages, comparisons, pages of a notebook, after a push."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.bad_files import traps
from tests.support.registry import unique
from tests.support.server import RunningServer

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


@pytest.fixture
def model(server: RunningServer, tmp_path: Path) -> str:
    """Five versions: recalled in production, deprecated, archived, in quarantine, healthy."""
    name = f"{unique('state')}/scorer"
    file = tmp_path / "model.bin"
    with server.client() as client:
        for number, f1 in enumerate((0.8, 0.7, 0.6), start=1):
            file.write_bytes(f"{name} {number}".encode())
            client.push(file, name, metrics=[{"name": "f1", "split": "test", "value": f1}], capture=False)
        file.write_bytes(traps()["tar.gz"])
        client.push(file, name, metrics=[{"name": "f1", "split": "test", "value": 0.99}], capture=False)
        file.write_bytes(f"{name} 5".encode())
        client.push(file, name, metrics=[{"name": "f1", "split": "test", "value": 0.9}], capture=False)
        client.promotions.promote(f"{name}:1", "production")
        client.lineage.recall(f"{name}:1", "leaked labels")
        client.promotions.deprecate(f"{name}:2", replacement=5, reason="old")
        client.versions.archive(f"{name}:3")
    return name


def test_lists_stages_rankings_and_comparisons_show_it(server: RunningServer, model: str) -> None:
    listed = dict(line.split("\t")[:2] for line in server.run("ls", model).stdout.splitlines())
    assert listed == {"5": "ready", "4": "quarantined", "3": "archived", "2": "deprecated", "1": "recalled"}
    stages = server.run("stages", model).stdout
    assert "production\t1\trecalled\t" in stages
    ranked = server.run("best", model, "--metric", "f1", "--over-time").stdout.splitlines()
    assert {line.split("\t")[0][-1]: line.split("\t")[1] for line in ranked} == listed
    best = server.run("best", model, "--metric", "f1", "--split", "test").stdout.splitlines()
    assert best[0].startswith(f"{model}:5\tready\t0.9"), (
        "neither the recalled nor the quarantined one is the best"
    )
    assert f"{model}:1 is recalled" in server.run("compare", f"{model}:1", f"{model}:5").stderr


def test_json_types_it_and_gives_times_as_text(server: RunningServer, model: str) -> None:
    shown = json.loads(server.run("show", f"{model}:1", "--json").stdout)
    assert (shown["flags"], shown["recalled"]["mode"]) == (["recalled"], "refuse")
    assert RFC_3339.fullmatch(shown["recalled"]["at"])
    deprecated = json.loads(server.run("show", f"{model}:2", "--json").stdout)["deprecated"]
    assert (deprecated["replacement"], deprecated["reason"]) == (5, "old")
    assert RFC_3339.fullmatch(deprecated["at"])
    resolved = json.loads(server.run("resolve", f"{model}:2", "--json").stdout)
    assert resolved["flags"] == ["deprecated"]


def test_a_notebook_shows_it(server: RunningServer, model: str) -> None:
    with server.client() as client:
        version = client.versions.get(f"{model}:1")
        assert str(version) == f"{model}:1 {version.digest} (recalled)"
        assert "recalled" in version._repr_html_()
        assert "leaked labels" in client.versions.overview(f"{model}:1")._repr_html_()


def test_show_answers_in_one_screen(server: RunningServer, model: str) -> None:
    with server.client() as client:
        client.checks.report(f"{model}:5", "unit-tests", "pass")
        client.promotions.promote(f"{model}:5", "staging")
    found = dict(line.split("\t") for line in server.run("show", f"{model}:5").stdout.splitlines())
    assert found["state"] == "ready"
    assert found["stages"].startswith("staging since ")
    assert found["metric f1 (test)"].startswith(f"0.9, +0.1 against {model}:1: better")
    assert found["checks"] == "unit-tests pass"
    assert found["card"] == "none"
    assert found["use"] == f'my.load("{model}:5")'
    recalled = server.run("show", f"{model}:1").stdout
    assert "was recalled by" in recalled
    assert "modelyard pull" not in recalled


def test_a_value_measured_later_is_told_from_the_one_frozen_at_registration(
    server: RunningServer, model: str
) -> None:
    with server.client() as client:
        client.evaluations.report(f"{model}:5", {"f1": 0.85}, split="test")
    found = dict(line.split("\t") for line in server.run("show", f"{model}:5").stdout.splitlines())
    assert found["metric f1 (test)"].startswith("0.85, ")
    assert found["metric f1 (test)"].endswith(" (0.9 at registration)")


def test_notifications_name_promotion_version_and_stage(server: RunningServer, model: str) -> None:
    with server.client() as client:
        ann = unique("ann")
        client.accounts.create(ann)
        client.namespaces.grant(model.partition("/")[0], ann, "reader")
        token = client.tokens.create("t", owner=ann).token
        with server.client(token) as hers:
            hers.inbox.watch(model)
        number = client.promotions.promote(f"{model}:5", "staging").promotion.id
        with server.client(token) as hers:
            deadline = time.monotonic() + 20
            while not [n for n in hers.inbox.notifications() if n.event.kind == "version.promoted"]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    told = server.run("notifications", env={"MODELYARD_URL": server.url, "MODELYARD_TOKEN": token}).stdout
    assert f"version.promoted\t{model}:5 → staging, promotion {number}\t" in told


def test_a_push_says_how_the_version_does_against_the_champion(
    server: RunningServer, model: str, tmp_path: Path
) -> None:
    (tmp_path / "better.bin").write_bytes(model.encode())
    pushed = server.run("push", str(tmp_path / "better.bin"), model, "--metric", "test:f1=0.75")
    assert f"f1 (test): 0.75, -0.05 against {model}:1: worse" in pushed.stderr


def test_a_push_into_quarantine_says_which_file_and_name_and_what_to_run(
    server: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "evil.pkl").write_bytes(traps()["protocol 4"])
    model = f"{unique('evil')}/scorer"
    pushed = server.run("push", str(tmp_path / "evil.pkl"), model)
    assert pushed.returncode == 0
    assert "Quarantined: evil.pkl names posix.system" in pushed.stderr
    assert f"modelyard scan show {model}:1" in pushed.stderr


def test_lists_rankings_comparisons_and_verdicts_show_as_tables(server: RunningServer, model: str) -> None:
    with server.client() as client:
        listed = client.versions.list(model)
        shown = listed._repr_html_()
        assert shown.count("<tr>") == 6
        assert "quarantined" in shown
        assert [version.version for version in listed] == [5, 4, 3, 2, 1], "what was shown stays to be read"
        assert list(client.versions.list(model).to_pandas()["version"]) == [5, 4, 3, 2, 1]
        assert "scorer" in client.models.search(namespace=model.partition("/")[0])._repr_html_()
        assert f"{model}:5" in client.best(model, "f1", split="test")._repr_html_()
        assert f"{model}:2" in client.compare(f"{model}:2", f"{model}:5")._repr_html_()
        assert "staging" in client.promotions.explain(f"{model}:5", "staging")._repr_html_()


def test_text_of_others_is_escaped_in_tables(server: RunningServer, model: str) -> None:
    with server.client() as client:
        client.models.edit(model, description="<script>alert(1)</script>")
        shown = client.models.search(namespace=model.partition("/")[0])._repr_html_()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown
