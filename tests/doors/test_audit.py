"""The commands of the event log against a real server, and without any."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(folder=tmp_path_factory.mktemp("server")) as running:
        model = running.folder / "model"
        model.mkdir()
        (model / "weights.bin").write_bytes(b"weights")
        assert running.run("push", str(model), "fraud/scorer", "--alias", "champion").returncode == 0
        yield running


def offline(*arguments: object, blocked: str = "") -> subprocess.CompletedProcess[str]:
    """The command line with no server, no account and none of the server's packages."""
    packages = ["sqlalchemy", "starlette", "uvicorn", "alembic", *blocked.split()]
    script = (
        f"import sys\nfor name in {packages!r}: sys.modules[name] = None\n"
        f"from modelyard.cli.main import main\nmain({[str(a) for a in arguments]!r})"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"MODELYARD_URL": "http://127.0.0.1:1", "MODELYARD_HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_export_and_verify_without_the_server(server: RunningServer, tmp_path: Path) -> None:
    log, checkpoint, key = tmp_path / "log.jsonl", tmp_path / "checkpoint.txt", tmp_path / "log.key"
    checkpoint.write_text(server.run("audit", "checkpoint").stdout, encoding="utf-8")
    key.write_text(server.run("audit", "checkpoint", "--public-key").stdout, encoding="utf-8")
    assert server.run("alias", "set", "fraud/scorer:1", "canary").returncode == 0
    assert server.run("audit", "export", "--out", str(log)).returncode == 0
    done = offline("audit", "verify", log, "--key", key, "--against", checkpoint)
    assert done.returncode == 0, done.stderr
    assert "the whole log" in done.stdout
    assert "continues the older checkpoint" in done.stdout


def test_a_file_without_a_key_is_named(server: RunningServer, tmp_path: Path) -> None:
    log, key = tmp_path / "log.jsonl", tmp_path / "other.key"
    assert server.run("audit", "export", "--out", str(log)).returncode == 0
    key.write_text("ssh-ed25519 AAAA", encoding="utf-8")
    done = offline("audit", "verify", log, "--key", key)
    assert done.returncode == 2
    assert f"{key} does not hold a log's public key" in done.stderr
    assert "modelyard audit checkpoint --public-key" in done.stderr


def test_the_log_tells_details_and_an_empty_answer_says_what_was_looked_at(server: RunningServer) -> None:
    told = server.run("audit", "log", "--kind", "role.*")
    created = server.run("audit", "log", "--kind", "token.created", "--since", "1h")
    assert "DETAILS" in created.stdout or "owner=" in created.stdout
    assert told.returncode == 0
    empty = server.run("audit", "log", "--model", "fraud/scorer", "--kind", "model.deleted")
    assert empty.returncode == 0
    assert "events matches" in empty.stdout + empty.stderr
    for wrong in (("--kind", "promotion"), ("--actor", "nobody"), ("--since", "soon")):
        done = server.run("audit", "log", *wrong)
        assert done.returncode != 0, wrong
        assert "for example" in done.stderr or "Known are" in done.stderr


def test_a_file_that_was_edited_is_named(server: RunningServer, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    server.run("audit", "export", "--out", str(log))
    log.write_bytes(log.read_bytes().replace(b'"kind":"version.registered"', b'"kind":"version.regretted!"'))
    done = offline("audit", "verify", log, "--json")
    assert done.returncode == 1
    problems = json.loads(done.stdout)["problems"]
    assert [(p["kind"], "changed after it was logged" in p["text"]) for p in problems] == [("edited", True)]


def test_one_event_and_one_model(server: RunningServer, tmp_path: Path) -> None:
    events = json.loads(server.run("audit", "log", "--kind", "version.registered", "--json").stdout)
    proof, scorer = tmp_path / "proof.jsonl", tmp_path / "scorer.jsonl"
    assert server.run("audit", "proof", str(events[0]["seq"]), "--out", str(proof)).returncode == 0
    assert server.run("audit", "export", "--model", "fraud/scorer", "--out", str(scorer)).returncode == 0
    assert offline("audit", "verify", proof).returncode == 0
    done = offline("audit", "verify", scorer)
    assert done.returncode == 1
    assert "Completeness not shown" in done.stderr
    assert offline("audit", "verify", scorer, "--allow-partial").returncode == 0
    lines = scorer.read_bytes().splitlines(keepends=True)
    for kept in (lines[:1], lines[:-2], lines[:1] + lines[3:]):
        scorer.write_bytes(b"".join(kept))
        assert offline("audit", "verify", scorer).returncode == 1
    proof.write_bytes(proof.read_bytes().splitlines(keepends=True)[0])
    assert offline("audit", "verify", proof, "--allow-partial").returncode == 1
    assert server.run("audit", "proof", "99999", "--out", str(proof)).returncode == 4


def test_the_signature_is_checked_or_said_to_be_unchecked(server: RunningServer, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    server.run("audit", "export", "--out", str(log))
    done = offline("audit", "verify", log, blocked="cryptography")
    assert done.returncode == 2
    assert "modelyard[audit]" in done.stderr
    done = offline("audit", "verify", log, "--no-signature", blocked="cryptography")
    assert done.returncode == 0
    assert "not checked" in done.stderr
    header, _, rest = log.read_text(encoding="utf-8").partition("\n")
    value = json.loads(header)
    other = value["key"].rpartition("+")[0]
    lines = value["checkpoint"].splitlines()
    value["checkpoint"] = "\n".join([*lines[:-1], lines[-1][:-8] + "AAAAAAA="]) + "\n"
    log.write_text(json.dumps(value) + "\n" + rest, encoding="utf-8")
    done = offline("audit", "verify", log)
    assert done.returncode == 1
    assert "signature" in done.stdout
    assert other


def test_a_restored_registry_goes_on_signing_with_the_same_key(server: RunningServer, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert server.run("backup", str(backup), "--data", str(server.data)).returncode == 0
    assert (backup / "secret.key").stat().st_mode & 0o777 == 0o600
    key = server.run("audit", "checkpoint", "--public-key").stdout
    restored = tmp_path / "restored" / "data"
    restored.parent.mkdir()
    done = server.run("restore", str(backup), "--data", str(restored))
    assert done.returncode == 0, done.stderr
    with running_server(folder=restored.parent) as other:
        other.home.mkdir(exist_ok=True)
        log = tmp_path / "log.jsonl"
        assert other.run("audit", "export", "--out", str(log)).returncode == 0
        checked = other.run("audit", "check")
        assert checked.returncode == 0, checked.stdout
    done = offline("audit", "verify", log, "--key", key.strip(), "--against", backup / "checkpoint.txt")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_row_edited_by_sql_is_found_by_both(server: RunningServer, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert server.run("audit", "check").returncode == 0
    with sqlite3.connect(server.data / "modelyard.db", timeout=30) as database:
        database.execute("DROP TRIGGER events_keep_update")
        database.execute(
            "UPDATE events SET body = replace(body, 'champion', 'canary') WHERE kind = 'alias.moved'"
        )
    checked = json.loads(server.run("audit", "check", "--json").stdout)
    assert checked["finished"]
    assert [d["problem"] for d in checked["damage"]] == ["the event was changed after it was logged"]
    assert server.run("audit", "export", "--out", str(log)).returncode == 0
    done = offline("audit", "verify", log)
    assert done.returncode == 1
    assert f"event {checked['damage'][0]['seq']} was changed" in done.stdout
