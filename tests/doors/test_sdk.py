"""The client against a real server: round trips, breaks, damage."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    AliasMoved,
    Conflict,
    DownloadCorrupt,
    EditConflict,
    FileChanged,
    HasDependents,
    ModelNotFound,
    TokenInvalid,
    VersionNotFound,
    WouldOverwrite,
)
from modelyard.sdk.cache import Cache
from modelyard.sdk.client import Client
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of small files and one that goes in pieces."""
    made = tmp_path / "model"
    (made / "sub").mkdir(parents=True)
    (made / "README.md").write_text(f"# {tmp_path.name}\n")
    (made / "empty.txt").write_text("")
    (made / "sub" / "small.bin").write_bytes(os.urandom(10_000))
    (made / "large.bin").write_bytes(os.urandom(5 * MIB + 17))
    return made


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def bytes_requests(server: RunningServer) -> float:
    """How many requests with file bytes the server has had."""
    with server.client() as client:
        text = client.transport.send("GET", "/metrics").data.decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if re.match(r'modelyard_requests_total\{method="(PUT|PATCH)",route="/api/v1/(blobs|uploads)/', line)
    )


class Watching:
    """A progress that counts, and calls `at` once when so many bytes have passed."""

    def __init__(self, at_bytes: int = 1 << 62, at: object = None) -> None:
        self.totals: dict[str, int] = {}
        self.moved: dict[str, int] = {}
        self._phase = ""
        self._at_bytes, self._at = at_bytes, at

    def begin(self, phase: str, total_bytes: int) -> None:
        self._phase = phase
        self.totals[phase] = total_bytes
        self.moved[phase] = 0

    def advance(self, size_bytes: int) -> None:
        self.moved[self._phase] += size_bytes
        if self._phase in ("upload", "download") and self.moved[self._phase] >= self._at_bytes:
            self._at_bytes = 1 << 62
            self._at()  # type: ignore[operator]

    def end(self) -> None:
        self._phase = ""


# --- round trips -------------------------------------------------------------------------------------


def test_what_is_pushed_is_what_is_pulled(server: RunningServer, folder: Path, tmp_path: Path) -> None:
    client = server.client()
    watching = Watching()
    version = client.push(
        folder,
        "round/trip",
        alias=["champion", "canary"],
        tags={"team": "a"},
        metrics={"f1": 0.5, "loss": float("nan"), "worst": float("-inf")},
        params={"depth": 3},
        description="first",
        progress=watching,
    )
    assert version.created
    assert watching.moved == watching.totals
    pulled = client.pull("round/trip@champion", tmp_path / "out", progress=watching)
    assert tree(pulled) == tree(folder)
    assert watching.moved == watching.totals
    found = client.versions.get("round/trip@canary")
    assert (found.tags, found.params, found.description) == ({"team": "a"}, {"depth": 3}, "first")
    assert {m["name"]: m["value"] for m in found.metrics} == {"f1": 0.5, "loss": "NaN", "worst": "-Infinity"}
    assert client.resolve(f"round/trip@{version.digest}").version == version.version


def test_a_second_push_sends_no_file_bytes(server: RunningServer, folder: Path) -> None:
    client = server.client()
    first = client.push(folder, "round/twice", capture=False)
    before = bytes_requests(server)
    assert before > 0
    again = client.push(folder, "round/twice", capture=False)
    other = client.push(folder, "round/elsewhere", capture=False)
    assert bytes_requests(server) == before
    assert (again.version, again.created) == (first.version, False)
    assert other.digest == first.digest
    assert client.push(folder, "round/twice", capture=False, force_new=True).version == 2


def test_pushing_a_pulled_folder_gives_the_same_digest(
    server: RunningServer, folder: Path, tmp_path: Path
) -> None:
    client = server.client()
    first = client.push(folder, "round/again", capture=False)
    pulled = client.pull("round/again:1", tmp_path / "out")
    assert client.push(pulled, "round/again", capture=False).version == first.version


def test_a_pull_replaces_its_own_files_and_no_others(
    server: RunningServer, folder: Path, tmp_path: Path
) -> None:
    client, out = server.client(), tmp_path / "out"
    client.push(folder, "round/replace")
    client.pull("round/replace:1", out)
    (folder / "README.md").write_text("second")
    shutil.rmtree(folder / "sub")
    client.push(folder, "round/replace")
    (out / "notes.txt").write_text("mine")
    client.pull("round/replace:2", out)
    assert tree(out) == {**tree(folder), "notes.txt": b"mine"}
    (out / "README.md").write_text("edited")
    with pytest.raises(WouldOverwrite):
        client.pull("round/replace:1", out)
    assert (out / "README.md").read_text() == "edited"
    client.pull("round/replace:1", out, force=True)
    assert (out / "README.md").read_text() != "edited"


def test_a_pull_does_not_replace_another_model(server: RunningServer, folder: Path, tmp_path: Path) -> None:
    client, out = server.client(), tmp_path / "out"
    client.push(folder, "round/first")
    client.pull("round/first:1", out)
    first = tree(out)
    (folder / "README.md").write_text("another")
    client.push(folder, "round/second")
    with pytest.raises(Conflict, match="holds round/first:1, a version of another model than round/second"):
        client.pull("round/second", out)
    assert tree(out) == first
    client.models.rename("round/first", "renamed")
    client.pull("round/renamed:1", out)
    client.pull("round/second", out, force=True)
    assert tree(out) == tree(folder)


def test_a_pull_without_a_version_says_which_one_that_is(
    server: RunningServer, folder: Path, tmp_path: Path
) -> None:
    server.client().push(folder, "round/bare")
    said = server.run("pull", "round/bare", "--to", str(tmp_path / "out")).stderr
    assert "round/bare without a version means the newest one" in said
    assert "modelyard pull round/bare@production" in said
    assert server.run("pull", "round/bare:1", "--to", str(tmp_path / "out")).stderr == ""


def test_a_pulled_file_that_is_edited_leaves_the_cache_whole(
    server: RunningServer, folder: Path, tmp_path: Path
) -> None:
    client = server.client()
    client.push(folder, "round/edited")
    out = client.pull("round/edited:1", tmp_path / "one")
    with (out / "large.bin").open("r+b") as file:
        file.write(b"edited")
    assert tree(client.pull("round/edited:1", tmp_path / "two")) == tree(folder)


def test_linked_files_share_the_cache_and_cannot_be_edited(
    server: RunningServer, folder: Path, tmp_path: Path
) -> None:
    client = server.client()
    client.push(folder, "round/linked")
    out = client.pull("round/linked:1", tmp_path / "out", link=True)
    cached = client.cache.blob(Digest.of((folder / "large.bin").read_bytes()))
    assert (out / "large.bin").stat().st_ino == cached.stat().st_ino
    assert (out / "large.bin").stat().st_mode & 0o222 == 0


def test_without_a_cache_everything_still_arrives(server: RunningServer, folder: Path, tmp_path: Path) -> None:
    server.client().push(folder, "round/uncached")
    (folder / "copy.bin").write_bytes((folder / "large.bin").read_bytes())
    server.client().push(folder, "round/uncached")
    client = Client(server.url, server.token, cache=Cache(tmp_path / "cache", cap_bytes=0))
    assert tree(client.pull("round/uncached:2", tmp_path / "out")) == tree(folder)
    assert not (tmp_path / "cache" / "blobs").exists()


# --- breaks ------------------------------------------------------------------------------------------


def test_an_upload_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.bin").write_bytes(os.urandom(24 * MIB))
    with running_server(upload_chunk_bytes=MIB) as server:
        restarted: list[threading.Thread] = []

        def fall() -> None:
            server.kill()
            restarted.append(threading.Thread(target=server.start))
            restarted[0].start()

        watching = Watching(9 * MIB, fall)
        client = server.client()
        version = client.push(tmp_path / "model", "break/kill", progress=watching)
        restarted[0].join()
        assert watching.moved["upload"] == 24 * MIB
        # What had arrived before was not sent again: at least eight whole pieces lay on the disk.
        assert bytes_requests(server) <= 17
        assert not client.versions.verify(version.reference).damaged
        assert tree(client.pull("break/kill:1", tmp_path / "out")) == tree(tmp_path / "model")
        assert [*client.admin.scrub()][-1].damage == []


def test_a_push_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.bin").write_bytes(os.urandom(96 * MIB))
    with running_server(upload_chunk_bytes=MIB) as server:
        push = subprocess.Popen(
            [sys.executable, "-m", "modelyard", "push", str(tmp_path / "model"), "break/ctrlc"],
            env=server.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 30
        # It stands still while the requests are counted, which takes a busy machine longer than the whole push.
        push.send_signal(signal.SIGSTOP)
        while bytes_requests(server) < 5 and time.monotonic() < end:
            push.send_signal(signal.SIGCONT)
            time.sleep(0.05)
            push.send_signal(signal.SIGSTOP)
        push.send_signal(signal.SIGINT)
        push.send_signal(signal.SIGCONT)
        _, told = push.communicate(timeout=30)
        assert push.returncode == 130, told
        assert b"Traceback" not in told
        before = bytes_requests(server)
        client = server.client()
        with pytest.raises(ModelNotFound):
            client.models.get("break/ctrlc")
        client.push(tmp_path / "model", "break/ctrlc")
        # Of 96 pieces at most the one that was under way is sent twice.
        assert before >= 5
        assert bytes_requests(server) <= 96 + 2
        assert tree(client.pull("break/ctrlc:1", tmp_path / "out")) == tree(tmp_path / "model")


def test_a_file_that_changes_while_it_is_pushed_registers_nothing(
    server: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "model" / "w.bin"
    path.parent.mkdir()
    path.write_bytes(os.urandom(6 * MIB))

    def change() -> None:
        with path.open("r+b") as file:
            file.seek(5 * MIB)
            file.write(b"changed")

    client = server.client()
    with pytest.raises(FileChanged):
        client.push(path.parent, "break/changed", progress=Watching(2 * MIB, change))
    with pytest.raises(ModelNotFound):
        client.models.get("break/changed")
    # The bytes that arrived of the older content do not stand in the way.
    client.push(path.parent, "break/changed")


def test_a_download_goes_on_where_it_stopped(server: RunningServer, tmp_path: Path) -> None:
    data = os.urandom(8 * MIB)
    (tmp_path / "w.bin").write_bytes(data)
    client = server.client(cache=tmp_path / "cache")
    client.push(tmp_path / "w.bin", "break/range")
    digest = Digest.of(data)
    partial = client.cache.reserve(digest, len(data))
    assert partial is not None
    partial.write_bytes(data[: 5 * MIB])
    out = client.pull("break/range:1", tmp_path / "out")
    assert (out / "w.bin").read_bytes() == data
    # A partial file that is wrong costs one more download and harms nothing.
    other = server.client(cache=tmp_path / "other")
    wrong = other.cache.reserve(digest, len(data))
    assert wrong is not None
    wrong.write_bytes(b"x" * 5 * MIB)
    assert (other.pull("break/range:1", tmp_path / "out2") / "w.bin").read_bytes() == data


# --- damage ------------------------------------------------------------------------------------------


def stored_file(server: RunningServer, data: bytes) -> Path:
    hex_digits = Digest.of(data).hex
    (found,) = [path for path in server.data.rglob(hex_digits) if path.is_file()]
    return found


def test_damaged_bytes_of_the_server_are_refused_and_not_kept(server: RunningServer, tmp_path: Path) -> None:
    data = os.urandom(2 * MIB)
    (tmp_path / "w.bin").write_bytes(data)
    client = server.client(cache=tmp_path / "cache")
    client.push(tmp_path / "w.bin", "damage/server")
    stored = stored_file(server, data)
    stored.chmod(0o600)
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DownloadCorrupt):
        client.pull("damage/server:1", tmp_path / "out")
    assert not (tmp_path / "out" / "w.bin").exists()
    assert client.cache.use().size_bytes == 0
    assert client.versions.verify("damage/server:1").damaged[0].path == "w.bin"
    stored.write_bytes(data)
    assert (client.pull("damage/server:1", tmp_path / "out") / "w.bin").read_bytes() == data


def test_damaged_bytes_of_the_cache_are_fetched_anew(server: RunningServer, tmp_path: Path) -> None:
    data = os.urandom(2 * MIB)
    (tmp_path / "w.bin").write_bytes(data)
    client = server.client(cache=tmp_path / "cache")
    client.push(tmp_path / "w.bin", "damage/cache")
    client.pull("damage/cache:1", tmp_path / "one")
    cached = client.cache.blob(Digest.of(data))
    for number, damaged in enumerate((data[:-1] + bytes([data[-1] ^ 1]), data[:100])):
        cached.chmod(0o600)
        cached.write_bytes(damaged)
        out = client.pull("damage/cache:1", tmp_path / f"out{number}")
        assert (out / "w.bin").read_bytes() == data
        assert cached.read_bytes() == data


def test_two_processes_share_one_cache(server: RunningServer, folder: Path, tmp_path: Path) -> None:
    server.client().push(folder, "shared/cache")
    shutil.rmtree(server.home / "cache", ignore_errors=True)
    with ThreadPoolExecutor(3) as pool:
        done = [
            pool.submit(server.run, "pull", "shared/cache:1", "--to", str(tmp_path / f"out{number}"))
            for number in range(3)
        ]
        for each in done:
            assert each.result().returncode == 0, each.result().stderr
    for number in range(3):
        assert tree(tmp_path / f"out{number}") == tree(folder)


# --- the rest of the API -----------------------------------------------------------------------------


def test_aliases_move_only_from_where_they_were_seen(server: RunningServer, tmp_path: Path) -> None:
    client = server.client()
    for number in range(3):
        (tmp_path / "w.bin").write_bytes(bytes([number]))
        client.push(tmp_path / "w.bin", "alias/moves")
    client.aliases.set("alias/moves:1", "champion", seen_revision=0)
    seen = client.aliases.get("alias/moves", "champion")
    client.aliases.set("alias/moves:2", "champion", seen_revision=seen.revision, reason="better")
    with pytest.raises(AliasMoved):
        client.aliases.set("alias/moves:3", "champion", seen_revision=seen.revision)
    assert client.resolve("alias/moves@champion").version == 2
    moves = [*client.aliases.history("alias/moves", "champion")]
    assert [(move.from_version, move.to_version) for move in moves] == [(1, 2), (None, 1)]
    (then,) = client.aliases.history("alias/moves", "champion", at_time=moves[1].at, limit=1)
    assert then.to_version == 1
    with pytest.raises(HasDependents):
        client.versions.delete("alias/moves:2")
    client.aliases.remove("alias/moves", "champion")
    client.versions.delete("alias/moves:2", "no longer needed")
    assert [v.version for v in client.versions.list("alias/moves")] == [3, 1]


def test_models_are_described_found_renamed_and_archived(server: RunningServer, folder: Path) -> None:
    client = server.client()
    client.push(folder, "catalog/first", metrics={"f1": 0.8})
    client.models.edit("catalog/first", description="scores zebras", task="tabular", tags={"a": "b"})
    assert [m.name for m in client.models.search("zebras", tags=["a=b"], metrics=["f1>=0.7"])] == [
        "catalog/first"
    ]
    assert not [*client.models.search("zebras", metrics=["f1>0.9"])]
    model = client.models.get("catalog/first")
    with pytest.raises(EditConflict):
        client.models.edit("catalog/first", task="x", revision=model.revision - 1)
    client.models.rename("catalog/first", "second")
    assert client.models.get("catalog/first").name == "catalog/second"
    client.models.edit("catalog/second", archived=True)
    assert not [*client.models.search("zebras")]
    assert [m.name for m in client.models.search("zebras", archived=True)]
    kinds = {event.kind for event in client.models.history("catalog/second")}
    assert {"version.registered", "model.renamed"} <= kinds


def test_lists_go_on_over_pages(server: RunningServer, tmp_path: Path) -> None:
    client = server.client()
    for number in range(7):
        client.namespaces.create(f"pages-{number}")
    names = [n.name for n in client.namespaces.list() if n.name.startswith("pages-")]
    assert names == [f"pages-{number}" for number in range(7)]
    from modelyard.sdk import paging

    size, paging.PAGE_SIZE = paging.PAGE_SIZE, 2
    try:
        assert [n.name for n in client.namespaces.list() if n.name.startswith("pages-")] == names
        assert len([*client.namespaces.list(limit=3)]) == 3
    finally:
        paging.PAGE_SIZE = size


def test_accounts_groups_tokens_and_roles(server: RunningServer, folder: Path) -> None:
    client = server.client()
    client.push(folder, "rights/model")
    client.accounts.create("ann")
    client.accounts.create("risk", kind="group")
    client.groups.add("risk", "ann")
    assert [*client.groups.members("risk")] == ["ann"]
    made = client.tokens.create("laptop", owner="ann", expires_in_days=1)
    ann = server.client(made.token)
    assert ann.whoami().groups == ["risk"]
    with pytest.raises(ModelNotFound):
        ann.models.get("rights/model")
    client.namespaces.grant("rights", "risk", "reader")
    assert ann.models.get("rights/model").role == "reader"
    client.models.grant("rights/model", "ann", "none")
    with pytest.raises(ModelNotFound):
        ann.models.get("rights/model")
    assert [m.role for m in client.models.members("rights/model")] == ["none"]
    client.tokens.revoke(made.id)
    with pytest.raises(TokenInvalid):
        ann.whoami()


def test_errors_come_back_as_their_own_class(server: RunningServer, folder: Path) -> None:
    client = server.client()
    client.push(folder, "errors/model")
    with pytest.raises(VersionNotFound) as missing:
        client.pull("errors/model:99")
    assert missing.value.fields["version"] == 99


def test_one_client_serves_many_threads(server: RunningServer, tmp_path: Path) -> None:
    client = server.client()

    def push(number: int) -> int:
        path = tmp_path / f"{number}.bin"
        path.write_bytes(str(number).encode() * 1000)
        return client.push(path, "threads/model", capture=False).version

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(push, range(24))) == [*range(1, 25)]


def test_live_models_are_loaded_by_another_process(server: RunningServer) -> None:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    features, target = load_iris(return_X_y=True, as_frame=True)
    linear = LogisticRegression(max_iter=300).fit(features, target)
    forest = RandomForestClassifier(10, random_state=1).fit(features, target)
    client = server.client()
    version = client.push(
        linear, "live/iris", alias="champion", example=features.head(), card="# Iris\n", metrics={"f1": 0.9}
    )
    assert version.format["framework"] == "scikit-learn"
    assert "signature" in client.versions.record("live/iris:1")
    client.push(forest, "live/iris", alias="forest")
    assert client.versions.record("live/iris@forest")["loader"]["untrusted_types"] == []
    code = """
import modelyard as my
from sklearn.datasets import load_iris
features, _ = load_iris(return_X_y=True, as_frame=True)
print(my.load("live/iris@champion").predict_proba(features).tolist())
print(my.load("live/iris@forest").predict_proba(features).tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(linear.predict_proba(features).tolist()),
        str(forest.predict_proba(features).tolist()),
    ]


def test_a_push_names_what_of_the_model_is_not_there(server: RunningServer, tmp_path: Path) -> None:
    """A pointer is not scanned as what its name promises: it is served, and the push says what it is."""
    folder, name = tmp_path / "model", f"{unique('team')}/part"
    folder.mkdir()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4" * 64 + "\nsize 12345\n"
    (folder / "model-00001-of-00002.safetensors").write_text(pointer)
    done = server.run("push", str(folder), name, "--no-capture")
    assert done.returncode == 0, done.stderr
    assert "it is a pointer of Git LFS" in done.stderr
    assert "git lfs pull" in done.stderr
    assert "model-00002-of-00002.safetensors is not among the files" in done.stderr
    with server.client() as client:
        assert not client.versions.get(f"{name}:1").quarantined
