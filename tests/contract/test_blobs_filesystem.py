"""What only a folder can show: kills at any moment, full disks, modes of files, another format."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.blobs import filesystem, layout
from modelyard.blobs.filesystem import FilesystemStore
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobFormatUnknown, BlobStoreUnavailable, DiskFull

MIB = 1 << 20


def files_below(root: Path, folder: str) -> list[str]:
    return sorted(path.name for path in (root / folder).rglob("*") if path.is_file())


# --- kills ------------------------------------------------------------------------------------------

# Puts and commits without end, over a few known blobs, and says on its output what it was told is done.
WRITER = """
import sys, uuid
from modelyard.blobs.filesystem import FilesystemStore
from modelyard.domain.digest import Digest
store = FilesystemStore(sys.argv[1])
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    data = number.to_bytes(8, "big") * ((number % 5) * 200_000 + 1)
    chunks = [data[i:i + 100_000] for i in range(0, len(data), 100_000)]
    if number % 2:
        store.put(chunks, Digest.of(data), len(data))
    else:
        upload = str(uuid.UUID(int=number))
        store.stage(upload).append(chunks[:3])
        store.stage(upload).append(chunks[3:])
        store.stage(upload).commit(Digest.of(data), len(data))
        store.stage(upload).discard()
    print(Digest.of(data), flush=True)
"""


def test_a_kill_at_any_moment_leaves_whole_blobs_only(tmp_path: Path):
    root = tmp_path / "store"
    chance = random.Random(7)
    told: set[Digest] = set()
    left_behind = 0
    for run in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(run * 1_000_000)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.01, 0.25))
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().decode().split("\n")[:-1]
        child.wait()
        child.stdout.close()
        told |= {Digest.parse(line) for line in lines}
        store = FilesystemStore(root)
        visible = {blob.digest for blob in store.list()}
        assert told <= visible
        assert len(visible) <= len(told) + run + 1, "at most the one under way may be there unsaid"
        for digest in visible:
            store.verify(digest)
        left_behind += len(files_below(root, layout.STAGING)) + len(files_below(root, layout.TEMPORARY))
        store.check()
    assert told, "no child finished a blob before its kill, so nothing was shown"
    assert left_behind, "no kill fell into a write, so nothing was shown"
    store.sweep_staging(datetime.now(UTC) + timedelta(hours=1))
    assert files_below(root, layout.STAGING) == files_below(root, layout.TEMPORARY) == []


def test_an_upload_cut_off_by_a_kill_goes_on(tmp_path: Path):
    root = tmp_path / "store"
    data = random.Random(3).randbytes(9 * MIB)
    program = """
import os, signal, sys
from modelyard.blobs.filesystem import FilesystemStore
data = open(sys.argv[2], "rb").read()
def chunks():
    for start in range(0, len(data), 65536):
        if start > 6_000_000:
            os.kill(os.getpid(), signal.SIGKILL)
        yield data[start:start + 65536]
FilesystemStore(sys.argv[1]).stage("cut-off").append(chunks())
"""
    (tmp_path / "data").write_bytes(data)
    child = subprocess.run([sys.executable, "-c", program, str(root), str(tmp_path / "data")])
    assert child.returncode == -signal.SIGKILL
    store = FilesystemStore(root)
    staged = store.stage("cut-off")
    arrived = staged.size()
    assert 4 * MIB <= arrived < 6_100_000
    staged.append([data[arrived:]])
    staged.commit(Digest.of(data), len(data))
    store.verify(Digest.of(data))


# --- no space ---------------------------------------------------------------------------------------


@pytest.fixture(params=["small disk", "file size limit"])
def little_space(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder with room for less than 8 MiB in one file.

    The limit of the process is run everywhere; the disk only where mounting is allowed, as for root.
    """
    if request.param == "file size limit":
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, before[1]))
        try:
            yield tmp_path
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "modelyard-test", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no right to mount a small disk; the file size limit is tested: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def megabytes(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number]) * MIB


def digest_of_megabytes(count: int) -> Digest:
    return Digest.of(b"".join(megabytes(count)))


def test_put_on_a_full_disk_leaves_nothing(little_space: Path):
    store = FilesystemStore(little_space)
    with pytest.raises(DiskFull):
        store.put(megabytes(20), digest_of_megabytes(20))
    assert list(store.list()) == []
    assert files_below(little_space, layout.TEMPORARY) == []
    store.put(megabytes(3), digest_of_megabytes(3))
    store.verify(digest_of_megabytes(3))


def test_append_on_a_full_disk_keeps_what_arrived(little_space: Path):
    store = FilesystemStore(little_space)
    staged = store.stage("too-large")
    with pytest.raises(DiskFull):
        staged.append(megabytes(20))
    kept = staged.size()
    assert 0 < kept <= 8 * MIB
    assert list(store.list()) == []
    # What is there is a true beginning, whatever the process that wrote it remembers of its hash.
    beginning = b"".join(megabytes(20))[:kept]
    assert (little_space / layout.staging_key("too-large")).read_bytes() == beginning
    with pytest.raises(DiskFull):
        staged.append(megabytes(20))
    staged.discard()
    store.put(megabytes(3), digest_of_megabytes(3))


# --- the folder itself ------------------------------------------------------------------------------


def test_files_are_for_their_owner_alone(tmp_path: Path):
    before = os.umask(0)
    try:
        store = FilesystemStore(tmp_path / "store")
        store.put([b"abc"], Digest.of(b"abc"))
        store.stage("one").append([b"x"])
    finally:
        os.umask(before)
    for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_layout_is_as_drawn(tmp_path: Path):
    store = FilesystemStore(tmp_path)
    store.put([b"abc"], Digest.of(b"abc"))
    staged = store.stage("one")
    staged.append([b"x"])
    name = Digest.of(b"abc").hex
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"blobs/format", f"blobs/sha256/ba/{name}", "blobs/staging/one"}
    assert (tmp_path / "blobs/format").read_bytes() == b"modelyard blobs 1\n"
    assert store.local_path(Digest.of(b"abc")) == tmp_path / "blobs/sha256/ba" / name
    staged.commit(Digest.of(b"x"), 1)
    assert files_below(tmp_path, "blobs/staging") == ["one.done"]


@pytest.mark.parametrize("content", [b"modelyard blobs 2\n", b"modelyard blobs 0\n", b"", b"something else\n"])
def test_an_unknown_format_is_refused_and_left_alone(tmp_path: Path, content: bytes):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/format").write_bytes(content)
    with pytest.raises(BlobFormatUnknown):
        FilesystemStore(tmp_path)
    assert list((tmp_path / "blobs").iterdir()) == [tmp_path / "blobs/format"]


def test_check_tells_a_folder_that_went_away(tmp_path: Path):
    store = FilesystemStore(tmp_path / "store")
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(BlobStoreUnavailable):
        store.check()
    with pytest.raises(BlobStoreUnavailable):
        store.put([b"abc"], Digest.of(b"abc"))
    assert not (tmp_path / "store").exists()


def test_a_store_where_no_folder_can_be(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BlobStoreUnavailable) as caught:
        FilesystemStore(tmp_path / "file")
    assert isinstance(caught.value.__cause__, OSError)


def test_foreign_files_are_no_blobs(tmp_path: Path):
    store = FilesystemStore(tmp_path)
    store.put([b"abc"], Digest.of(b"abc"))
    (tmp_path / "blobs/sha256/ba/notes.txt").write_bytes(b"")
    (tmp_path / "blobs/sha256/.DS_Store").write_bytes(b"")
    assert [blob.digest for blob in store.list()] == [Digest.of(b"abc")]


def test_a_reader_outlives_the_deletion(tmp_path: Path):
    store = FilesystemStore(tmp_path)
    store.put([b"abc"], Digest.of(b"abc"))
    with store.open(Digest.of(b"abc")) as reader:
        store.delete(Digest.of(b"abc"))
        assert reader.read(0, 3) == b"abc"


def test_a_hung_request_cannot_write_into_what_became_a_blob(tmp_path: Path):
    """Its connection is still open when the client has come back by another one and committed."""
    store, other = FilesystemStore(tmp_path), FilesystemStore(tmp_path)
    store.stage("one").append([b"abc"])

    def late():
        yield b""
        # The lock of the append under way is what keeps the rival out; without it this commit would pass.
        with pytest.raises(Exception, match="another request"):
            other.stage("one").commit(Digest.of(b"abc"), 3)
        yield b"def"

    assert store.stage("one").append(late()) == 6
    other.stage("one").commit(Digest.of(b"abcdef"), 6)
    store.verify(Digest.of(b"abcdef"))


def test_a_writer_that_opened_just_before_the_commit_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between its open and its lock the file became a blob: its bytes must not land in there."""
    store, other = FilesystemStore(tmp_path), FilesystemStore(tmp_path)
    store.stage("one").append([b"abc"])
    real_flock = filesystem.fcntl.flock

    def commit_first(fd: int, operation: int) -> None:
        monkeypatch.setattr(filesystem.fcntl, "flock", real_flock)
        other.stage("one").commit(Digest.of(b"abc"), 3)
        real_flock(fd, operation)

    monkeypatch.setattr(filesystem.fcntl, "flock", commit_first)
    assert store.stage("one").append([b"new"]) == 3
    store.verify(Digest.of(b"abc"))
    store.stage("one").commit(Digest.of(b"new"), 3)


def test_a_failed_sync_in_the_middle_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Systems report a lost page to one sync alone, so the last one would pass."""
    store = FilesystemStore(tmp_path)

    def broken_disk(fd: int) -> None:
        raise OSError(errno.EIO, "lost")

    monkeypatch.setattr(filesystem, "_SYNC_EVERY_BYTES", 5 * MIB)
    monkeypatch.setattr(filesystem, "_fdatasync", broken_disk)
    with pytest.raises(BlobStoreUnavailable):
        store.put(megabytes(9), digest_of_megabytes(9))
    assert list(store.list()) == []
    assert files_below(tmp_path, layout.TEMPORARY) == []
    with pytest.raises(BlobStoreUnavailable):
        store.stage("one").append(megabytes(9))


def test_an_upload_begins_anew_when_the_disk_failed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The next sync of the same file would say that all is well."""
    store = FilesystemStore(tmp_path / "store")
    data = bytes(30 * MIB)

    def broken_disk(fd: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(filesystem, "_SYNC_EVERY_BYTES", 5 * MIB)
    with monkeypatch.context() as patched:
        patched.setattr(filesystem, "_fdatasync", broken_disk)
        with pytest.raises(BlobStoreUnavailable):
            store.stage("one").append([data])
    assert store.stage("one").size() == 0
    assert store.stage("one").append([data]) == len(data)
    store.stage("one").commit(Digest.of(data), len(data))
    store.verify(Digest.of(data))


def test_the_sweep_leaves_a_put_under_way(tmp_path: Path):
    store = FilesystemStore(tmp_path)

    def slow():
        yield b"abc"
        assert len(files_below(tmp_path, layout.TEMPORARY)) == 1
        assert FilesystemStore(tmp_path).sweep_staging(datetime.now(UTC) + timedelta(hours=1)) == 0
        yield b"def"

    store.put(slow(), Digest.of(b"abcdef"))
    store.verify(Digest.of(b"abcdef"))


def test_the_sweep_counts_what_a_killed_put_left(tmp_path: Path):
    store = FilesystemStore(tmp_path)
    (tmp_path / layout.temporary_key("0" * 32)).write_bytes(b"half")
    assert store.sweep_staging(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.sweep_staging(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert files_below(tmp_path, layout.TEMPORARY) == []
