"""What is noted of answers: windows by the clock, a bounded buffer, and parts that hold no rows."""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from modelyard.domain.profile import read_profile
from modelyard.scorer import observing
from modelyard.scorer.columns import Columns, Inputs
from modelyard.scorer.frames import JSON, Tensor
from modelyard.scorer.observe import describe_rows
from modelyard.scorer.observing import ROWS, Observer
from modelyard.scorer.protocols.base import Call
from modelyard.wire.monitoring import Observation
from modelyard.wire.scorer import Wanted, WantedRevision

SIGNATURE = {
    "inputs": [
        {"name": "amount", "dtype": "float64", "shape": [None]},
        {"name": "age", "dtype": "float64", "shape": [None]},
    ]
}
REVISION: Any = SimpleNamespace(number=3, columns=Columns(SIGNATURE))


def call_of(rows: int, value: float = 1.0, method: str = "predict") -> Call:
    data = struct.pack(f"<{2 * rows}d", *[value, 30.0] * rows)
    return Call(Inputs([Tensor("", "float64", (2,), data)], rows, ("key",)), lambda _: (b"", "", b""), method)


def answer_of(rows: int) -> list[Tensor]:
    return [Tensor("predict", "int64", (), struct.pack(f"<{rows}q", *range(rows)))]


class Setting:
    def __init__(self, folder: Path, window: int | None = 60) -> None:
        self.now = 1_000_020.0
        self.folder = folder
        self.observer = Observer(folder, print, lambda: self.now)
        self.observer.window_seconds = window
        self.frames: list[bytes] = []

    def note(self, rows: int = 1, code: int = 200, seconds: float = 0.003, **how: Any) -> None:
        if code == 200:
            self.observer.note(REVISION, code, seconds, call_of(rows, **how), answer_of(rows))
        else:
            self.observer.note(REVISION, code, seconds)

    def hand_over(self) -> list[Observation]:
        """What a tick would hand over at the present time."""

        async def tick() -> None:
            self.observer.tick(self.now)

        async def described(waiting: Any = None) -> None:
            parts, self.observer._waiting = self.observer._waiting, []
            self.frames += self.observer._store(parts)

        self.observer._hand_over = described  # type: ignore[method-assign]
        asyncio.run(tick())
        if self.observer._waiting:
            asyncio.run(described())
        return self.parts()

    def parts(self) -> list[Observation]:
        return [
            msgspec.json.decode(path.read_bytes(), type=Observation)
            for path in sorted((self.folder / "observed").glob("*.json"))
        ]


def test_windows_end_by_the_clock(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.note(2)
    setting.note(code=422)
    setting.note(code=503, seconds=20.0)
    assert setting.hand_over() == [], "the window has not ended"
    setting.now = 1_000_080.0
    setting.note()
    (part,) = setting.hand_over()
    assert (part.seconds, part.requests, part.errors, part.rows, part.not_described) == (60, 3, 1, 0, 2)
    assert part.codes == {"200": 1, "422": 1, "503": 1}
    assert (part.durations[0], part.durations[-1], len(part.durations)) == (2, 1, 15)
    (path,) = (tmp_path / "observed").glob("*.json")
    assert path.name.startswith("1000020.3."), "aligned to the clock"
    assert b"30.0" not in path.read_bytes()


def test_a_full_buffer_counts_and_is_handed_over_no_more_often_than_every_few_seconds(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    for _ in range(6):
        setting.note(1000)
    assert [each.not_described for each in setting.hand_over()] == [6000]
    assert b'"rows":5000' in setting.frames[0].replace(b" ", b""), "those that came before it was full"
    setting.note(5000)
    assert len(setting.hand_over()) == 1
    setting.now += 6
    assert len(setting.hand_over()) == 2
    assert ROWS == 4096


def test_nothing_is_noted_where_nothing_is_wanted(tmp_path: Path) -> None:
    setting = Setting(tmp_path, window=None)
    setting.note()
    setting.now += 10_000
    assert setting.hand_over() == []


def test_the_oldest_parts_go_first_and_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "MAX_PARTS", 3)
    setting = Setting(tmp_path)
    for _ in range(5):
        setting.note()
        setting.now += 60
        parts = setting.hand_over()
    assert len(parts) == 3
    assert sum(each.lost_parts for each in parts) == 1, "the second one is told with the next part"


def test_rows_become_columns_of_inputs_and_outputs() -> None:
    head = {"groups": ["prediction", "score"], "names": ["amount", "age"], "times": ["at"], "rows": 3}
    matrix = Tensor("0:i:", "float64", (2,), struct.pack("<4d", 1.0, 20.0, float("nan"), 30.0))
    plain = [
        Tensor("1:i:amount", "float64", (), struct.pack("<d", 3.0)),
        Tensor("1:i:kind", JSON, (), ["a"]),
        Tensor("1:i:at", JSON, (), ["2026-01-31T12:00:00"]),
        Tensor("1:i:picture", "float32", (100,), bytes(400)),
        Tensor("1:o:predict_proba", "float64", (2,), struct.pack("<2d", 0.25, 0.75)),
    ]
    told = [matrix, Tensor("0:o:predict", "int64", (), struct.pack("<2q", 0, 1)), *plain]
    found = describe_rows(head, told)
    assert found is not None
    assert b"basic" not in found
    profile = read_profile(found)
    assert profile.rows == 3
    assert {name: column.type for name, column in profile.columns.items()} == {
        "amount": "float",
        "age": "float",
        "output:prediction": "int",
        "kind": "text",
        "at": "timestamp",
        "output:score.0": "float",
        "output:score.1": "float",
    }
    assert profile.columns["amount"].missing == 1
    assert profile.columns["kind"].top == (), "no values of texts"


@contextmanager
def registry(status: int) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    came: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append((f"{self.headers['authorization']} {self.path}", json.loads(body)))
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", came
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("status", "kept"), [(200, 0), (503, 1), (400, 0)])
def test_the_helper_describes_and_sends_and_keeps_what_cannot_be_sent(
    tmp_path: Path, status: int, kept: int
) -> None:
    setting = Setting(tmp_path)
    setting.note(20)
    setting.now += 60
    setting.hand_over()
    with registry(status) as (url, came):
        wanted = Wanted(
            generation=1,
            deployment="fraud/cards",
            registry=url,
            cache=str(tmp_path),
            revisions=[WantedRevision(number=3, reference="fraud/scorer:1", digest="sha256:" + "0" * 64)],
        )
        (tmp_path / "wanted.json").write_bytes(msgspec.json.encode(wanted))
        (tmp_path / "token").write_text("secret")
        done = subprocess.run(
            [sys.executable, "-m", "modelyard.scorer.observe", str(tmp_path)],
            input=b"".join(setting.frames),
            capture_output=True,
        )
    assert done.returncode == kept, done.stderr
    ((line, body),) = came
    assert line.startswith("Bearer secret /api/v1/deployments/fraud/cards/observations/3/1000020/")
    assert (body["rows"], body.get("not_described", 0)) == (20, 0)
    assert body["profile"]
    assert len(setting.parts()) == kept
