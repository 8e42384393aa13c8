"""The guides for operators and admins: their commands run as written, and what they name is there."""

from __future__ import annotations

import re
import shlex
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.domain.actor import NEEDED_ROLE, Permission
from tests.doors.test_readme import ROOT, blocks, commands
from tests.support.server import RunningServer, running_server

OPERATE = "docs/how-to/operate.md"
ACCOUNTS = "docs/how-to/accounts.md"


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server() as server:
        yield server


def run(server: RunningServer, *words: str) -> str:
    done = server.run(*words)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def push(server: RunningServer, folder: Path, content: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "weights.bin").write_text(content)
    run(server, "push", str(folder), "fraud/scorer")


def blob_files(server: RunningServer) -> list[Path]:
    return sorted(path for path in (server.data / "blobs" / "sha256").rglob("*") if path.is_file())


def test_the_commands_of_the_operator(server: RunningServer, tmp_path: Path) -> None:
    push(server, tmp_path / "model", "first")
    run(server, "promote", "fraud/scorer:1", "production")
    push(server, tmp_path / "model", "second")
    run(server, "promote", "fraud/scorer:2", "production")
    run(server, "user", "create", "ann")
    run(server, "user", "create", "ci", "--service")
    run(server, "token", "create", "train", "--owner", "ci")
    # It is refused at once, and waits for its next try.
    run(server, "subscription", "add", "webhook", "http://127.0.0.1:9/hook", "--namespace", "fraud")
    here = {"7": "2", "42": str(wait_for_job(server))}
    written = commands(OPERATE)
    assert [" ".join(words[1:3]) for words in written] == [
        *("jobs ls", "jobs ls", "jobs show", "jobs retry", "jobs cancel"),
        *("gc", "gc --run", "scrub", "verify fraud/scorer:1"),
        *("token ls", "token revoke", "audit log", "user edit", "user edit"),
        *("rollback fraud/scorer", "history fraud/scorer"),
    ]
    said = [run(server, *[here.get(word, word) for word in words[1:]]) for words in written]
    assert "fraud/scorer:1" in said[-1].splitlines()[0]
    with server.client() as client:
        assert client.resolve("fraud/scorer@production").version == 1
        assert [token.owner for token in client.tokens.list(everybody=True)] == [server_owner(server)]


def wait_for_job(server: RunningServer) -> int:
    """The number of a job that was tried and waits."""
    with server.client() as client:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for job in client.jobs.list(kind="deliver", state="waiting"):
                if job.attempt:
                    return job.id
            time.sleep(0.1)
    raise AssertionError("no delivery waits")


def server_owner(server: RunningServer) -> str:
    with server.client() as client:
        return client.whoami().name


def test_the_restore_that_the_operator_practises(server: RunningServer, tmp_path: Path) -> None:
    push(server, tmp_path / "model", "first")
    here = {
        "/mnt/backups/before-upgrade": str(tmp_path / "backup"),
        "/mnt/backups/registry": str(tmp_path / "backup"),
        "/var/lib/modelyard/data": str(server.data),
        "/tmp/drill/data": str(tmp_path / "drill"),
    }
    lines = [line for block in blocks(OPERATE, "sh") for line in block.splitlines()]
    written = [shlex.split(line, comments=True) for line in lines if line.startswith("modelyard ")]
    written = [words for words in written if words[1] not in ("rescue", "login")]
    assert [words[1] for words in written] == ["backup", "doctor", "restore", "doctor"]
    for words in written:
        run(server, *[here.get(word, word) for word in words[1:]])
    assert (tmp_path / "drill" / "secret.key").read_bytes() == (server.data / "secret.key").read_bytes()


@pytest.mark.parametrize("how", ["push", "copy"])
def test_damage_is_found_and_healed_as_the_page_says(server: RunningServer, tmp_path: Path, how: str) -> None:
    push(server, tmp_path / "model", "first")
    run(server, "backup", str(tmp_path / "backup"), "--data", str(server.data))
    (stored,) = blob_files(server)
    stored.chmod(0o600)
    stored.write_text("f1rst")
    found = server.run("scrub")
    assert (found.returncode, found.stdout.split()[0]) == (1, "corrupt")
    if how == "push":
        run(server, "push", str(tmp_path / "model"), "fraud/scorer")
    else:
        stored.write_bytes((tmp_path / "backup" / stored.relative_to(server.data)).read_bytes())
    run(server, "scrub")
    run(server, "verify", "fraud/scorer:1")
    run(server, "pull", "fraud/scorer:1", "--to", str(tmp_path / "pulled"))
    assert (tmp_path / "pulled" / "weights.bin").read_text() == "first"


def test_the_metrics_that_the_page_names_are_those_of_the_server(server: RunningServer, tmp_path: Path) -> None:
    page = (ROOT / OPERATE).read_text()
    # Before the first backup there is no age of it.
    run(server, "backup", str(tmp_path / "backup"), "--data", str(server.data))
    proof = {"authorization": f"Bearer {server.token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/metrics", headers=proof)) as answer:
        measured = set(re.findall(r"^# HELP (\w+) ", answer.read().decode(), flags=re.M))
    assert set(re.findall(r"^\| `(modelyard_\w+)` \|", page, flags=re.M)) == measured
    (alerts,) = blocks(OPERATE, "yaml")
    used = {name.removesuffix("_bucket") for name in re.findall(r"modelyard_\w+", alerts)}
    assert used
    assert used <= measured


def refusal(server: RunningServer, *flags: str) -> str:
    """What another start, next to the server or after it, says when it gives up."""
    home = {"MODELYARD_HOME": str(server.folder / "other-home")}
    done = server.run("serve", *flags, env=home, cwd=server.folder)
    assert done.returncode != 0
    return done.stderr


def test_why_a_server_does_not_start(server: RunningServer) -> None:
    data, other = str(server.data), str(server.folder / "other")
    said = [
        refusal(server, "--data", data, "--port", "0"),
        refusal(server, "--data", other, "--port", str(server.port)),
        refusal(server, "--data", other, "--host", "0.0.0.0"),
    ]
    server.stop()
    key = server.data / "secret.key"
    kept = key.read_bytes()
    key.unlink()
    said.append(refusal(server, "--data", data, "--port", "0"))
    assert not key.exists()
    key.write_bytes(kept)
    with sqlite3.connect(server.data / "modelyard.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    said.append(refusal(server, "--data", data, "--port", "0"))
    page = (ROOT / OPERATE).read_text().partition("## It does not start")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", page, flags=re.M)
    for words in said:
        found = [row for row in rows if all(part.strip() in words for part in row.split("…"))]
        assert len(found) == 1, words


def test_the_owner_who_lost_their_token_gets_another_at_the_start(server: RunningServer) -> None:
    before = server_owner(server)
    (server.home / "credentials.json").unlink()
    server.restart()
    assert server.login_url is not None
    assert server_owner(server) == before


def test_an_admin_whose_token_is_lost_is_rescued_where_the_data_is(server: RunningServer) -> None:
    run(server, "user", "create", "ann")
    run(server, "user", "create", "rita", "--admin")
    held = server.run("rescue", "rita", "--data", str(server.data))
    assert (held.returncode, "another process serves" in held.stderr) == (1, True)
    server.stop()
    refused = server.run("rescue", "ann", "--data", str(server.data))
    assert (refused.returncode, "rita" in refused.stderr) == (1, True)
    assert server.run("rescue", "nobody", "--data", str(server.data)).returncode == 4
    token = run(server, "rescue", "rita", "--data", str(server.data)).strip()
    server.start()
    with server.client(token) as client:
        assert client.whoami().is_admin
        (mine,) = client.tokens.list()
        assert (mine.name, mine.owner, mine.expires_at is not None) == ("rescue", "rita", True)


# --- accounts ------------------------------------------------------------------------------------------


def test_the_commands_of_the_admin(server: RunningServer, tmp_path: Path) -> None:
    written = commands(ACCOUNTS)
    verbs = [words[1] for words in written]
    # The model that the page gives roles on.
    push_before = next(n for n, words in enumerate(written) if "fraud/scorer" in words)
    ids: list[str] = []
    for number, words in enumerate(written):
        if number == push_before:
            push(server, tmp_path / "model", "first")
        said = run(server, *[ids[-1] if word == "7" else word for word in words[1:]])
        if words[1:3] == ["token", "create"]:
            with server.client() as client:
                ids.append(str(client.tokens.list(everybody=True)[0].id))
    assert {"user", "group", "token", "namespace", "edit", "audit"} == set(verbs)
    assert "role.granted" in said
    with server.client() as client:
        names = [account.name for account in client.accounts.list()]
        assert "ann" not in names
        assert any(name.startswith("deleted-") for name in names)
        assert client.groups.members("risk") == []


def test_the_roles_of_the_page_are_those_of_the_rules() -> None:
    page = (ROOT / ACCOUNTS).read_text()
    said: dict[str, str] = {}
    for role, may in re.findall(
        r"^\| `?(none|auditor|reader|contributor|maintainer|owner|admin)`? \| (.*) \|$", page, flags=re.M
    ):
        said |= dict.fromkeys(re.findall(r"`([a-z]+\.[a-z]+)`", may), role)
    # Open to all by a setting, which the page says apart.
    assert "`namespace.create`" in page
    needed = {p.value: role.word for p, role in NEEDED_ROLE.items() if p is not Permission.NAMESPACE_CREATE}
    assert said == needed
