"""The command line against a real server."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

import modelyard as my
from modelyard.sdk.client import Client
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "w.bin").write_bytes(os.urandom(1000))
    (made / "README.md").write_text("# A model of zebras\n")
    return made


@pytest.fixture(scope="module")
def pushed(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that the tests of refusals leave as it is."""
    file = tmp_path_factory.mktemp("pushed") / "w.bin"
    file.write_bytes(b"weights")
    return server.client().push(file, "exit/model").reference


def test_the_story_of_five_minutes(server: RunningServer, folder: Path, tmp_path: Path) -> None:
    pushed = server.run(
        "push", str(folder), "story/scorer", "--alias", "champion", "--tag", "team=a", "--metric", "test:f1=0.9",
        "--param", "depth=6", "--description", "first", "--json",
    )  # fmt: skip
    assert pushed.returncode == 0, pushed.stderr
    version = json.loads(pushed.stdout)
    assert version["params"] == {"depth": 6}
    assert version["metrics"] == [{"name": "f1", "split": "test", "value": 0.9}]
    assert "file modes" not in pushed.stderr
    (folder / "w.bin").write_bytes(b"second")
    (folder / "w.bin").chmod(0o755)
    again = server.run("push", str(folder), "story/scorer")
    assert again.stdout.startswith("story/scorer:2\tsha256:")
    assert "keeps no file modes; not executable after a pull: w.bin" in again.stderr
    assert server.run("resolve", "story/scorer@champion").stdout.startswith("story/scorer:1\t")
    assert server.run("alias", "set", "story/scorer:2", "champion", "--reason", "better").returncode == 0
    assert server.run("alias", "ls", "story/scorer").stdout.startswith("champion\t2\t2\t")
    pulled = server.run("pull", "story/scorer@champion", "--to", str(tmp_path / "out"), "--json")
    assert json.loads(pulled.stdout)["fetched"] == 2
    assert (tmp_path / "out" / "w.bin").read_bytes() == b"second"
    here = server.run("pull", "story/scorer:2", cwd=tmp_path)
    assert (tmp_path / "scorer" / "w.bin").read_bytes() == b"second", here.stderr


def test_a_pipe_gets_plain_lines(server: RunningServer, folder: Path) -> None:
    server.run("push", str(folder), "plain/one")
    for arguments in (["ls"], ["ls", "plain"], ["ls", "plain/one"], ["search", "zebras"], ["user", "ls"]):
        done = server.run(*arguments, env={"FORCE_COLOR": "1", "COLUMNS": "20"})
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "\t" in done.stdout
        assert "…" not in done.stdout
    assert server.run("ls", "plain").stdout.startswith("plain/one\t1\t1\t")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "nobody/nothing"], 4),
        (["pull", "nobody/nothing:1"], 4),
        (["alias", "set", "nobody/nothing:1", "7"], 2),
        (["namespace", "create", "api"], 2),
        (["token", "revoke", "999"], 4),
        (["tag", "remove", "exit/model", "none"], 4),
        (["delete", "exit/model:1"], 2),
        (["ls", "nobody"], 4),
    ],
)
def test_exit_codes_and_problems(server: RunningServer, pushed: str, arguments: list[str], code: int) -> None:
    assert pushed == "exit/model:1"
    done = server.run(*arguments, "--json")
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["code"]
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_token_is_denied(server: RunningServer) -> None:
    done = server.run("ls", env={"MODELYARD_TOKEN": "mdy_user_" + "x" * 49})
    assert done.returncode == 5
    assert "x" * 20 not in done.stderr


def test_annotations_history_and_removal(server: RunningServer, folder: Path) -> None:
    server.run("push", str(folder), "notes/model", "--alias", "canary")
    assert server.run("tag", "set", "notes/model:1", "a=b", "c=d").returncode == 0
    assert server.run("tag", "remove", "notes/model:1", "a").returncode == 0
    assert server.run("tag", "ls", "notes/model:1").stdout == "c\td\n"
    assert server.run("edit", "notes/model", "--description", "of zebras", "--task", "x").returncode == 0
    assert server.run("edit", "notes/model:1", "--description", "the first").returncode == 0
    shown = json.loads(server.run("show", "notes/model:1", "--json").stdout)
    assert (shown["description"], shown["tags"]) == ("the first", {"c": "d"})
    assert "w.bin" in server.run("show", "notes/model:1", "--files").stdout
    assert "environment" in json.loads(server.run("show", "notes/model:1", "--record").stdout)
    assert "alias.moved" in server.run("history", "notes/model").stdout
    assert "version.registered" in server.run("history", "notes/model:1").stdout
    moves = json.loads(server.run("history", "notes/model", "--alias", "canary", "--json").stdout)
    assert [move["to_version"] for move in moves] == [1]
    assert server.run("rename", "notes/model", "zebras").returncode == 0
    refused = server.run("delete", "notes/zebras:1", "--yes")
    assert refused.returncode == 1
    assert "canary" in refused.stderr
    assert server.run("archive", "notes/zebras:1").returncode == 1
    assert server.run("alias", "remove", "notes/zebras", "canary").returncode == 0
    assert server.run("archive", "notes/zebras:1", "--reason", "old").returncode == 0
    assert json.loads(server.run("show", "notes/zebras:1", "--json").stdout)["state"] == "archived"
    assert server.run("archive", "notes/zebras:1", "--undo").returncode == 0
    assert server.run("delete", "notes/zebras:1", "--yes").returncode == 0
    assert server.run("ls", "notes/zebras").stdout == ""


def test_operators_commands(server: RunningServer, folder: Path) -> None:
    server.run("push", str(folder), "ops/model")
    assert server.run("verify", "ops/model:1").returncode == 0
    assert json.loads(server.run("gc", "--json").stdout)["dry_run"] is True
    assert json.loads(server.run("gc", "--run", "--json").stdout)["dry_run"] is False
    assert json.loads(server.run("scrub", "--json").stdout)["finished"] is True
    for arguments in (["doctor"], ["doctor", "--data", str(server.data)]):
        done = server.run(*arguments, "--json")
        assert done.returncode == 0, done.stdout
        assert {found["state"] for found in json.loads(done.stdout)} <= {"ok", "warning"}


def test_doctor_finds_what_is_wrong(server: RunningServer, tmp_path: Path) -> None:
    done = server.run("doctor", "--server", "http://127.0.0.1:9", "--json")
    assert done.returncode == 1
    assert any(f["what"] == "server" and f["state"] == "bad" for f in json.loads(done.stdout))
    broken = tmp_path / "data"
    broken.mkdir()
    (broken / "modelyard.db").write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)
    done = server.run("doctor", "--data", str(broken))
    assert done.returncode == 1
    assert "database\tbad" in done.stdout
    (server.home / "credentials.json").chmod(0o644)
    try:
        assert server.run("doctor").returncode == 1
    finally:
        (server.home / "credentials.json").chmod(0o600)


def test_accounts_from_the_command_line(server: RunningServer, folder: Path, tmp_path: Path) -> None:
    server.run("push", str(folder), "team/model")
    assert server.run("user", "create", "bob", "--email", "bob@example.org").returncode == 0
    assert server.run("group", "create", "leads").returncode == 0
    assert server.run("group", "add", "leads", "bob").stdout == "bob\n"
    assert server.run("namespace", "grant", "team", "leads", "reader").returncode == 0
    assert "leads\tgroup\treader" in server.run("namespace", "members", "team").stdout
    token = server.run("token", "create", "laptop", "--owner", "bob").stdout.strip()
    env = {"MODELYARD_HOME": str(tmp_path / "bob")}
    token_file = tmp_path / "token"
    token_file.write_text(token)
    with token_file.open() as given:
        signed_in = server.run("login", server.url, stdin=given, env=env)
    assert signed_in.returncode == 0, signed_in.stderr
    assert token not in signed_in.stdout + signed_in.stderr
    assert stat.S_IMODE((tmp_path / "bob" / "credentials.json").stat().st_mode) == 0o600
    assert server.run("whoami", env=env).stdout.startswith("account\tbob\n")
    assert server.run("ls", "team", env=env).stdout.startswith("team/model\t")
    denied = server.run("push", str(folder), "team/model", "--force-new", env=env)
    assert denied.returncode == 5
    assert "/login?link=" in server.run("user", "link", "bob").stdout
    assert server.run("logout", "--revoke", env=env).returncode == 0
    assert server.run("whoami", env=env).returncode == 5


def test_serve_makes_the_next_command_just_work(tmp_path: Path) -> None:
    with running_server(folder=tmp_path) as server:
        credentials = server.home / "credentials.json"
        assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
        first = server.token
        assert server.login_url
        assert "/login?link=" in server.login_url
        assert first not in server.log.read_text()
        assert server.run("whoami").returncode == 0
        server.restart()
        assert server.token == first
        # Lost credentials come back by the next start on the same folder.
        credentials.unlink()
        server.restart()
        assert server.token != first
        assert server.run("whoami").returncode == 0
        second = server.run("serve", "--port", "0", "--data", str(server.data))
        assert second.returncode == 1
        assert "another process serves" in second.stderr
        assert Client(server.url, first).whoami().is_admin


def test_serve_refuses_what_would_be_unsafe(tmp_path: Path, server: RunningServer) -> None:
    done = server.run("serve", "--host", "0.0.0.0", "--data", str(tmp_path / "x"), cwd=tmp_path)
    assert done.returncode == 2
    assert "TLS" in done.stderr
    taken = server.run("serve", "--port", str(server.port), "--data", str(tmp_path / "y"), cwd=tmp_path)
    assert taken.returncode == 2
    assert "cannot listen" in taken.stderr


def test_the_demo_fills_a_registry(server: RunningServer) -> None:
    started = time.monotonic()
    done = server.run("demo", "--only", "iris")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 60
    client = server.client()
    model = client.models.get("demo/iris")
    assert {"champion", "challenger"} <= set(model.aliases)
    assert (model.framework, model.licence) == ("scikit-learn", "Apache-2.0")
    best = client.versions.get("demo/iris@champion")
    accuracy = {m["split"]: m["value"] for m in best.metrics if m["name"] == "accuracy"}
    assert accuracy["test"] > 0.9
    worst = client.versions.get("demo/iris:1")
    assert min(m["value"] for m in worst.metrics if m["name"] == "accuracy") < 0.5
    count = model.version_count
    assert server.run("demo", "--only", "iris").returncode == 0
    assert client.models.get("demo/iris").version_count == count
    assert server.run("demo", "--only", "zebras").returncode == 2


def completions(server: RunningServer, line: str) -> list[str]:
    """What the shell proposes for the last word of a line."""
    words = line.split(" ")
    done = server.run(
        env={"_MODELYARD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    )
    assert done.stderr == ""
    return [each.partition(",")[2] for each in done.stdout.split()]


def test_the_shell_completes_models_versions_aliases_stages_and_runs(
    server: RunningServer, folder: Path
) -> None:
    space = unique("comp")
    assert server.run("push", str(folder), f"{space}/scorer", "--alias", "champion").returncode == 0
    with (
        server.client() as client,
        my.run("x", experiment=f"{space}/trees", client=client, capture=False) as run,
    ):
        uid = run.id
    assert completions(server, f"modelyard show {space[:-1]}").count(f"{space}/") == 1
    assert completions(server, f"modelyard stages {space}/sc") == [f"{space}/scorer"]
    assert completions(server, f"modelyard show {space}/scorer:") == [f"{space}/scorer:1"]
    assert completions(server, f"modelyard show {space}/scorer@ch") == [f"{space}/scorer@champion"]
    assert completions(server, f"modelyard promote {space}/scorer:1 prod") == ["production"]
    assert completions(server, f"modelyard alias remove {space}/scorer ch") == ["champion"]
    assert uid in completions(server, f"modelyard runs show {uid[:4]}")
    assert completions(server, "modelyard show nothing-like-it/") == []


def test_an_account_is_deleted_for_good(server: RunningServer) -> None:
    name = unique("leaver")
    made = server.run("user", "create", name, "--email", f"{name}@example.org", "--display-name", "Lea Ver")
    assert made.returncode == 0, made.stderr
    unasked = server.run("user", "delete", name)
    assert unasked.returncode == 2
    assert "Confirm with --yes" in unasked.stderr
    deleted = server.run("user", "delete", name, "--yes")
    assert deleted.returncode == 0, deleted.stderr
    pseudonym = deleted.stdout.split()[-1]
    assert pseudonym.startswith("deleted-")
    listed = server.run("user", "ls")
    assert name not in listed.stdout
    assert [line.split("\t")[:4] for line in listed.stdout.splitlines() if line.startswith(pseudonym)] == [
        [pseudonym, "user", "", "deleted"]
    ]
    again = server.run("user", "create", name)
    assert again.returncode == 1
    assert "Choose another name" in again.stderr
    assert server.run("audit", "check").returncode == 0
