"""A data folder of every release so far opens, and all that was kept is there and proved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from modelyard.db import schema
from modelyard.db.engine import Database
from tests.migrations.keep_data_folder import KEPT
from tests.support.server import running_server

OWNER = "root"
FOLDERS = sorted(KEPT.glob("*.tar.xz"))


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_a_kept_folder_opens_whole(kept: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(kept, tmp_path)
    # A server gives its token back to the account that its owner is named after: the one that wrote the folder.
    with running_server(folder=tmp_path, environment={"LOGNAME": OWNER}) as server:
        (link,) = [line for line in (server.login_url or "").splitlines() if line]
        assert link.startswith(server.url)
        with server.client() as client:
            versions = {version.version: version for version in client.versions.list("fraud/scorer")}
            assert sorted(versions) == [1, 2]
            sizes = [
                version.size_bytes
                for name in client.models.search(namespace="fraud")
                for version in client.versions.list(name.name)
            ]
            assert client.namespaces.get("fraud").used_bytes == sum(sizes) > 0
            commits = {client.versions.record(f"fraud/scorer:{n}")["code"]["commit"] for n in versions}
            found = [row for commit in commits for row in client.find(commit) if row.kind == "version"]
            assert {row.version for row in found} == set(versions)
            assert client.pull("fraud/scorer@champion", tmp_path / "out")
            assert (tmp_path / "out" / "weights.bin").read_text() == "first"
        stages = json.loads(server.run("stages", "fraud/scorer", "--json").stdout)
        assert '"staging"' in json.dumps(stages)
        again = server.run("promote", "fraud/scorer:2", "production", "--dry-run")
        assert again.returncode == 3, again.stdout + again.stderr
        assert "looks good" in server.run("comment", "ls", "fraud/scorer").stdout
        assert "kept" in server.run("runs", "ls", "--all").stdout + server.run("runs", "ls").stdout
        checked = server.run("audit", "check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    database = Database(f"sqlite:///{server.data / 'modelyard.db'}")
    try:
        assert schema.ensure_schema(database) is None
    finally:
        database.close()


def test_the_first_release_is_kept() -> None:
    assert [path.name for path in FOLDERS][:1] == ["0.1.tar.xz"]
