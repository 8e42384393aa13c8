"""Retention rules, keep marks and quotas by the client and the command line, on a running server."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from modelyard.domain.errors import HasDependents, QuotaExceeded
from tests.support.registry import unique
from tests.support.server import RunningServer


@pytest.fixture
def model(server: RunningServer, tmp_path: Path) -> str:
    """A model with three versions of a kilobyte."""
    name = f"{unique('kept')}/scorer"
    with server.client() as client:
        for number in range(3):
            file = tmp_path / "model.bin"
            file.write_bytes(f"{name} {number}".encode().ljust(1000, b"."))
            client.push(file, name, capture=False)
    return name


def said(server: RunningServer, *arguments: str) -> str:
    done = server.run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_rule_is_looked_at_before_it_is_carried_out(server: RunningServer, model: str) -> None:
    space = model.partition("/")[0]
    refused = server.run("retention", "run", space, "--dry-run")
    assert refused.returncode == 4
    assert f"modelyard retention set {space}" in refused.stderr
    assert server.run("retention", "set", space).returncode == 2
    words = (
        f"{space} keeps the last 1 versions of each model and versions younger than 1s; the others are archived"
    )
    set_it = ("retention", "set", space, "--keep-versions", "1", "--keep-for", "1s")
    assert said(server, *set_it).strip() == words
    assert said(server, "retention", "show", space).strip() == words
    said(server, "retention", "set", space, "--keep-versions", "1", "--action", "delete")
    said(server, "keep", f"{model}:2", "--reason", "complaint 17")
    assert "complaint 17" in said(server, "show", f"{model}:2")
    listed = [line.split("\t") for line in said(server, "retention", "run", space, "--dry-run").splitlines()]
    assert listed == [
        [f"{model}:3", "1 kB", "stays", "it is among the last 1"],
        [f"{model}:2", "1 kB", "stays", "it is marked to be kept: complaint 17"],
        [f"{model}:1", "1 kB", "goes", "it is not among the last 1"],
    ]
    unasked = server.run("retention", "run", space)
    assert unasked.returncode == 2
    assert "Confirm with --yes" in unasked.stderr
    assert said(server, "retention", "run", space, "--yes").strip() == "Deleted 1 version (1 kB)"
    with server.client() as client:
        assert [version.version for version in client.versions.list(model)] == [3, 2]
        with pytest.raises(HasDependents, match="the mark that it must be kept"):
            client.versions.delete(f"{model}:2")
        assert client.versions.end_keep(f"{model}:2", "closed").kept is None
        client.retention.remove(space)
        assert client.retention.get(space).action is None


def test_a_quota_is_set_shown_and_refuses(server: RunningServer, model: str, tmp_path: Path) -> None:
    space = model.partition("/")[0]
    said(server, "namespace", "edit", space, "--quota", "3500B")
    assert "3 kB of a quota of 3.5 kB (86%)" in said(server, "namespace", "show", space)
    file = tmp_path / "large.bin"
    file.write_bytes(unique("large").encode().ljust(1000, b"-"))
    with server.client() as client:
        stored = client.admin.storage().blobs
        with pytest.raises(QuotaExceeded) as refused:
            client.push(file, model, capture=False)
        # Refused before anything was sent.
        assert client.admin.storage().blobs == stored
        assert (refused.value.fields["used_bytes"], refused.value.fields["quota_bytes"]) == (3000, 3500)
        said(server, "namespace", "edit", space, "--quota", "none")
        assert client.push(file, model, capture=False).version == 4
    assert json.loads(said(server, "namespace", "show", space, "--json"))["used_bytes"] == 4000


def test_doctor_finds_a_wrong_counter(server: RunningServer, model: str, tmp_path: Path) -> None:
    space = model.partition("/")[0]
    copy = tmp_path / "copy"
    copy.mkdir()
    with (
        sqlite3.connect(server.data / "modelyard.db") as source,
        sqlite3.connect(copy / "modelyard.db") as target,
    ):
        source.backup(target)
    assert "counted wrong" not in server.run("doctor", "--data", str(copy)).stdout
    with sqlite3.connect(copy / "modelyard.db") as target:
        target.execute(
            "UPDATE models SET version_bytes = 1 WHERE namespace_id = (SELECT id FROM namespaces WHERE name = ?)",
            (space,),
        )
    found = server.run("doctor", "--data", str(copy)).stdout
    assert f"the space that {space} use is counted wrong" in found
    assert "modelyard scrub" in found
