"""A version as one file: written by one registry, verified without any, pushed into another."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import modelyard as my
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BundleDamaged, Invalid
from tests.support.registry import unique
from tests.support.server import RunningServer, run_command, running_server


@pytest.fixture
def version(server: RunningServer, tmp_path: Path) -> str:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(unique("weights").encode() * 1000)
    (folder / "sub" / "README.md").write_text("# Purpose\n\nfinds fraud\n")
    (folder / "empty.txt").touch()
    with server.client() as client:
        pushed = client.push(
            folder,
            f"{unique('one')}/scorer",
            params={"depth": 6},
            metrics={"test:f1": 0.9},
            tags={"team": "risk"},
            description="the first",
            facts={"data": [{"name": "rows", "digest": "sha256:" + "a" * 64}]},
        )
    return pushed.reference


@pytest.fixture
def bundle(server: RunningServer, version: str, tmp_path: Path) -> Path:
    target = tmp_path / "scorer.tar"
    done = server.run("bundle", "write", version, str(target))
    assert done.returncode == 0, done.stderr
    return target


def offline(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MODELYARD_")}
    nowhere = {"MODELYARD_URL": "http://127.0.0.1:1", "MODELYARD_HOME": "/nonexistent"}
    return run_command([str(each) for each in arguments], {**environment, **nowhere})


def test_another_registry_gets_the_same_version(
    server: RunningServer, version: str, bundle: Path, tmp_path: Path
) -> None:
    with server.client() as client:
        first = client.versions.get(version)
        record = client.versions.record(version)
    done = offline("bundle", "verify", bundle, "--digest", first.digest)
    assert (done.returncode, done.stdout.split("\t")[:3]) == (0, ["ok", version, first.digest])
    with running_server(folder=tmp_path / "other") as other:
        pushed = other.run("bundle", "push", str(bundle), "copies/scorer")
        assert pushed.returncode == 0, pushed.stderr
        with other.client() as client:
            copy = client.versions.get("copies/scorer:1")
            assert (copy.digest, copy.record_digest) == (first.digest, first.record_digest)
            assert client.versions.record("copies/scorer:1") == record
            assert (copy.description, copy.tags) == ("the first", {"team": "risk"})
            assert not client.bundles.push(bundle, "copies/scorer").created
            again = tmp_path / "again.tar"
            client.bundles.write("copies/scorer:1", again)
            assert my.verify_bundle(again).digest == first.digest


def test_the_same_version_makes_the_same_bundle(
    server: RunningServer, version: str, bundle: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.tar"
    assert server.run("bundle", "write", version, str(second)).returncode == 0
    assert second.read_bytes() == bundle.read_bytes()
    found = my.verify_bundle(bundle)
    assert found.record["params"] == {"depth": 6}
    assert [file.path for file in found.manifest.files] == ["empty.txt", "sub/README.md", "weights.bin"]


def rewritten(bundle: Path, change: Callable[[list[tuple[str, bytes]]], None]) -> Path:
    """The bundle with changed members, each of which a tar program would read without complaint."""
    with tarfile.open(bundle) as archive:
        parts = [(m.name, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]
    change(parts)
    target = bundle.with_name("changed.tar")
    with tarfile.open(target, "w") as archive:
        for name, data in parts:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target


def swap(name: str, old: bytes, new: bytes) -> Callable[[list[tuple[str, bytes]]], None]:
    def change(parts: list[tuple[str, bytes]]) -> None:
        at = [part for part, _ in parts].index(name)
        assert old in parts[at][1]
        parts[at] = (name, parts[at][1].replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swap("files/sub/README.md", b"fraud", b"freud"), "sub/README.md was changed"),
        (swap("record.json", b"0.9", b"0.8"), "record.json was changed"),
        (swap("manifest.json", b"weights.bin", b"weights.bim"), "manifest.json was changed"),
    ],
)
def test_a_changed_byte_is_found_and_nothing_is_sent(
    server: RunningServer, bundle: Path, change: Callable[[list[tuple[str, bytes]]], None], words: str
) -> None:
    changed = rewritten(bundle, change)
    done = offline("bundle", "verify", changed)
    assert done.returncode == 1
    assert words in done.stdout
    model = f"{unique('not')}/there"
    assert server.run("bundle", "push", str(changed), model).returncode == 2
    assert server.run("show", model).returncode == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts.append(("files/more.bin", b"x")),
        lambda parts: parts.append(("../evil", b"x")),
        lambda parts: parts.pop(),
        lambda parts: parts.reverse(),
        lambda parts: parts.pop(0),
        lambda parts: parts.__setitem__(0, ("modelyard-bundle.json", b'{"format": 7}')),
        lambda parts: parts.__setitem__(0, ("modelyard-bundle.json", b"no json")),
        lambda parts: parts.clear(),
    ],
)
def test_what_is_no_whole_bundle_is_refused(
    bundle: Path, change: Callable[[list[tuple[str, bytes]]], None]
) -> None:
    with pytest.raises(Invalid, match=r"not a whole bundle|bundle format"):
        my.verify_bundle(rewritten(bundle, change))


def test_other_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    for data in (b"", b"text", whole[:700], whole[: whole.index(b"files/weights.bin") + 2000]):
        (tmp_path / "x.tar").write_bytes(data)
        with pytest.raises(Invalid):
            my.verify_bundle(tmp_path / "x.tar")
    linked = tmp_path / "link.tar"
    with tarfile.open(linked, "w") as archive:
        member = tarfile.TarInfo("modelyard-bundle.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(Invalid, match="not a plain file"):
        my.verify_bundle(linked)
    with pytest.raises(BundleDamaged, match="the version was changed"):
        my.verify_bundle(bundle, digest="sha256:" + "0" * 64)


def test_pull_brings_the_record_and_a_push_leaves_it_behind(
    server: RunningServer, version: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = server.run("pull", version, "--to", str(out), "--record")
    assert done.returncode == 0, done.stderr
    kept = out / ".cache" / "modelyard" / "record.json"
    assert str(kept) in done.stderr
    with server.client() as client:
        first = client.versions.get(version)
        assert Digest.of(kept.read_bytes()) == first.record_digest
        assert json.loads(kept.read_bytes()) == client.versions.record(version)
        assert client.push(out, f"{unique('again')}/scorer", capture=False).digest == first.digest
