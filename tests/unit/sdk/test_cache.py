"""The cache: what it keeps, what gives way, and that nothing in it is trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.sdk.cache import Cache


def put(cache: Cache, data: bytes) -> Digest:
    digest = Digest.of(data)
    with cache.downloading(digest):
        partial = cache.reserve(digest, len(data))
        assert partial is not None
        partial.write_bytes(data)
        cache.keep(digest, partial)
    return digest


def age(cache: Cache, digest: Digest, seconds: int) -> None:
    info = cache.blob(digest).stat()
    os.utime(cache.blob(digest), ns=(info.st_atime_ns, info.st_mtime_ns - seconds * 10**9))


def test_the_least_recently_used_gives_way(tmp_path: Path) -> None:
    cache = Cache(tmp_path, cap_bytes=1000)
    old, used = put(cache, b"a" * 300), put(cache, b"b" * 300)
    age(cache, old, 100)
    age(cache, used, 200)
    cache.note_use(used)
    put(cache, b"c" * 450)
    assert not cache.blob(old).exists()
    assert cache.blob(used).exists()


def test_the_cap_holds_whatever_is_put_in(tmp_path: Path) -> None:
    cache = Cache(tmp_path, cap_bytes=10_000)
    for number in range(60):
        put(cache, number.to_bytes(2, "big") * (number * 20 + 1))
        assert cache.use().size_bytes <= 10_000
    assert cache.use().files > 3


def test_a_file_that_would_take_most_of_it_is_not_kept(tmp_path: Path) -> None:
    assert Cache(tmp_path, cap_bytes=1000).reserve(Digest.of(b"x"), 501) is None
    assert Cache(tmp_path, cap_bytes=0).reserve(Digest.of(b"x"), 1) is None


def test_downloads_under_way_count_and_do_not_give_way(tmp_path: Path) -> None:
    cache = Cache(tmp_path, cap_bytes=1000)
    first, second = cache.reserve(Digest.of(b"1"), 500), cache.reserve(Digest.of(b"2"), 400)
    assert first is not None
    assert second is not None
    assert cache.reserve(Digest.of(b"3"), 200) is None
    assert first.exists()
    assert second.exists()


def test_an_abandoned_download_gives_way_after_an_hour(tmp_path: Path) -> None:
    cache = Cache(tmp_path, cap_bytes=1000)
    abandoned = cache.reserve(Digest.of(b"1"), 500)
    assert abandoned is not None
    os.utime(abandoned, (0, 0))
    assert cache.reserve(Digest.of(b"2"), 500) is not None
    assert cache.reserve(Digest.of(b"3"), 400) is not None
    assert not abandoned.exists()


def test_the_total_is_shared_and_survives_its_loss(tmp_path: Path) -> None:
    cache, other = Cache(tmp_path, cap_bytes=1000), Cache(tmp_path, cap_bytes=1000)
    put(cache, b"a" * 400)
    (tmp_path / "size").write_text("rubbish")
    put(other, b"b" * 400)
    put(cache, b"c" * 400)
    assert cache.use().size_bytes <= 1000


def test_a_damaged_file_can_be_discarded_and_all_can_be_cleared(tmp_path: Path) -> None:
    cache = Cache(tmp_path, cap_bytes=1000)
    digest = put(cache, b"a" * 100)
    put(cache, b"b" * 100)
    cache.discard(digest)
    assert cache.use().size_bytes == 100
    assert cache.clear().files == 1
    assert cache.use().files == 0


def test_cached_files_are_read_only(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.blob(put(cache, b"a")).stat().st_mode & 0o222 == 0


def test_the_cap_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    monkeypatch.setenv("MODELYARD_CACHE_BYTES", "123")
    assert Cache.default().cap_bytes == 123
    monkeypatch.setenv("MODELYARD_CACHE_BYTES", "a lot")
    with pytest.raises(Invalid):
        Cache.default()


@pytest.mark.parametrize("place", ["a file", "read-only"])
def test_a_folder_that_cannot_be_written_means_no_cache_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    home = tmp_path / "home"
    if place == "a file":
        home.write_text("")
    else:
        # /proc takes no folders, whoever asks.
        home = Path("/proc/modelyard")
    cache = Cache(home / "cache")
    for _ in range(2):
        with cache.downloading(Digest.of(b"1")):
            assert cache.reserve(Digest.of(b"1"), 1) is None
        cache.note_use(Digest.of(b"1"))
        cache.discard(Digest.of(b"1"))
        with cache.workspace() as folder:
            (folder / "x").write_text("x")
    assert caplog.text.count("no cache is used") == 1


def test_no_room_means_no_folder(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 0)
    with cache.downloading(Digest.of(b"1")), cache.workspace():
        assert cache.reserve(Digest.of(b"1"), 1) is None
    assert not (tmp_path / "cache").exists()
