"""The spool: what was written is read again, whatever stopped the writer."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.domain.errors import Invalid
from modelyard.sdk.runs import spool
from modelyard.sdk.runs.spool import Header, SpoolReader, SpoolWriter
from modelyard.wire.runs import Frame, StartRun

RUN = "0a" * 16
HEADER = Header(run=RUN, writer="w1", server="http://127.0.0.1:1", start=StartRun(name="first"))


def frame(number: int) -> Frame:
    return Frame(log=f"line {number}\n")


def logs(reader: SpoolReader) -> list[str]:
    return [msgspec.json.decode(line.raw)["log"] for line in reader.peek(1 << 30, 10_000)]


def test_frames_come_back_in_order_and_numbered(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, HEADER)
    assert [writer.append(frame(n)) for n in (1, 2, 3)] == [1, 2, 3]
    reader = SpoolReader(tmp_path, "w1")
    assert logs(reader) == ["line 1\n", "line 2\n", "line 3\n"]
    reader.acknowledge(reader.peek(1, 1)[0])
    assert logs(reader) == ["line 2\n", "line 3\n"]
    writer.append(frame(4))
    assert [line.number for line in reader.peek(1 << 20, 2)] == [2, 3]
    assert spool.read_header(tmp_path / "w1.json") == HEADER


def test_acknowledged_segments_go_and_a_new_reader_begins_at_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 100)
    writer = SpoolWriter(tmp_path, HEADER)
    for number in range(1, 31):
        writer.append(frame(number))
    segments = len(list(tmp_path.glob("*.frames")))
    assert segments > 5
    reader = SpoolReader(tmp_path, "w1")
    assert len(logs(reader)) == 30
    reader.acknowledge(reader.peek(1 << 20, 20)[-1])
    assert reader.acknowledged == 20
    assert len(list(tmp_path.glob("*.frames"))) < segments
    fresh = SpoolReader(tmp_path, "w1")
    # The server passes over what it has: the segment of frame 20 is read from its beginning.
    assert 10 < fresh.acknowledged + 1 <= 20
    assert logs(fresh)[-1] == "line 30\n"
    writer.close()
    spool.remove_writer(tmp_path, "w1")
    assert not tmp_path.exists()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400))
def test_a_line_cut_anywhere_is_as_if_it_never_was(cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        writer = SpoolWriter(folder, HEADER)
        for number in range(1, 9):
            writer.append(frame(number))
        (path,) = folder.glob("*.frames")
        data = path.read_bytes()
        path.write_bytes(data[: min(cut, len(data))])
        whole = data[: min(cut, len(data))].count(b"\n")
        assert logs(SpoolReader(folder, "w1")) == [f"line {n}\n" for n in range(1, whole + 1)]


def test_a_damaged_line_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, HEADER)
    for number in (1, 2, 3):
        writer.append(frame(number))
    (path,) = tmp_path.glob("*.frames")
    path.write_bytes(path.read_bytes().replace(b"line 2", b"lime 2"))
    found = [msgspec.json.decode(line.raw) for line in SpoolReader(tmp_path, "w1").peek(1 << 20, 10)]
    assert found[0] == {"log": "line 1\n"}
    assert "Record 2 was damaged" in found[1]["notes"][0]
    assert found[2] == {"log": "line 3\n"}


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SpoolWriter(tmp_path, HEADER)
    writer.append(frame(1))
    write = os.write
    calls = iter([7, None])

    def full(descriptor: int, data: Any) -> int:
        size = next(calls)
        if size is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data)[:size])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            writer.append(frame(2))
    assert writer.append(frame(2)) == 2
    assert logs(SpoolReader(tmp_path, "w1")) == ["line 1\n", "line 2\n"]


def test_headers_begin_with_those_that_begin_a_run(tmp_path: Path) -> None:
    joined = Header(run=RUN, writer="a", server=None, start=None)
    SpoolWriter(tmp_path / RUN, joined)
    SpoolWriter(tmp_path / RUN, HEADER)
    assert [path.name for path in spool.list_headers(tmp_path)] == ["w1.json", "a.json"]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"format":9,"run":"r","writer":"w","server":null,"start":null}']
)
def test_what_is_no_header_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.json").write_bytes(data)
    with pytest.raises(Invalid):
        spool.read_header(tmp_path / "w.json")


OLD_SPOOL = Path(__file__).parent / "old_spool"


def test_a_spool_of_an_older_client_is_read() -> None:
    """Kept as an earlier release wrote it: a logged file has the field `size`."""
    (path,) = spool.list_headers(OLD_SPOOL)
    header = spool.read_header(path)
    assert header.start is not None
    assert (header.start.name, header.start.experiment) == ("first", "fraud/trees")
    lines = SpoolReader(path.parent, header.writer).peek(1 << 20, 10)
    first, last = (msgspec.json.decode(line.raw, type=Frame) for line in lines)
    (artifact,) = first.artifacts
    assert (artifact.path, artifact.size_bytes) == ("notes/hello.txt", 5)
    assert artifact.digest.removeprefix("sha256:") in os.listdir(path.parent / "files")
    assert (first.params, first.points[0].values) == ({"depth": 6}, [0.3])
    assert last.end is not None


def test_a_user_s_own_word_size_stays(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, HEADER)
    frame_of_file = Frame(params={"artifacts": 1, "size": 3}, tags={"size": "big"})
    writer.append(frame_of_file)
    (line,) = SpoolReader(tmp_path, "w1").peek(1 << 20, 10)
    assert msgspec.json.decode(line.raw, type=Frame) == frame_of_file
