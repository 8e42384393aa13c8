"""What is noted of answers, after they were sent: counts, and the rows until another process has described them.

Windows are aligned to the clock. Rows wait in memory, at most ROWS of one revision; more are counted and not described. A part
of a window is handed over when the buffer is full, though not more often than every few seconds, when the window has ended and
when the front stops. The counts are written to a file first; a process of lower priority (`observe.py`) replaces it by one with
the profile of the rows, which it reads from its standard input, and sends all files that wait. No row is written anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from modelyard.scorer.figures import BOUNDS
from modelyard.scorer.flavours import PREDICT, PROBABILITIES
from modelyard.scorer.frames import Tensor, joined, pack
from modelyard.scorer.protocols.base import Call
from modelyard.scorer.revision import Revision
from modelyard.wire.monitoring import Observation

ROWS = 4096
"""Rows of one revision that wait to be described."""
BUFFER_BYTES = 8 << 20
PARTS_FOLDER = "observed"
MAX_PARTS = 500
"""Parts that wait for the registry; the oldest one goes first."""
_LEAST_GAP_SECONDS = 5.0
_MOST_PARTS_OF_A_WINDOW = 60
_AGAIN_SECONDS = 15.0
_HELPER_SECONDS = 120.0
_STOP_SECONDS = 10.0
_LABELS = {PREDICT: "prediction", PROBABILITIES: "score"}


class _Part:
    """What was noted of one revision in one window since the last part was handed over."""

    __slots__ = (
        "bytes",
        "codes",
        "durations",
        "end",
        "not_described",
        "revision",
        "row_count",
        "rows",
        "seconds",
        "start",
    )

    def __init__(self, start: int, seconds: int, revision: Revision) -> None:
        self.start, self.seconds, self.end, self.revision = start, seconds, start + seconds, revision
        self.codes: dict[int, int] = {}
        self.durations = [0] * (len(BOUNDS) + 1)
        self.rows: list[tuple[Call, list[Tensor]]] = []
        self.row_count = self.bytes = self.not_described = 0

    @property
    def is_full(self) -> bool:
        return self.row_count >= ROWS or self.bytes >= BUFFER_BYTES

    def to_wire(self, lost_parts: int) -> Observation:
        return Observation(
            seconds=self.seconds,
            requests=sum(self.codes.values()),
            errors=sum(count for code, count in self.codes.items() if code >= 500),
            not_described=self.not_described + self.row_count,
            lost_parts=lost_parts,
            codes={str(code): count for code, count in sorted(self.codes.items())},
            durations=self.durations,
        )

    def to_frame(self, name: str) -> bytes:
        """Return the rows for the process that describes them; no one else gets them."""
        same: dict[tuple[str, Any], list[tuple[Call, list[Tensor]]]] = {}
        for call, outputs in self.rows:
            key = (call.method, (call.inputs.key, *[(each.name, each.dtype, each.tail) for each in outputs]))
            same.setdefault(key, []).append((call, outputs))
        groups, tensors = [], []
        columns = self.revision.columns
        for number, (key, rows) in enumerate(same.items()):
            groups.append(_LABELS[key[0]])
            for side, parts in (
                ("i", [each.inputs.tensors for each, _ in rows]),
                ("o", [each for _, each in rows]),
            ):
                tensors += [each._replace(name=f"{number}:{side}:{each.name}") for each in joined(parts)]
        times = [entry.name for entry in columns.entries if entry.family == "time"]
        return pack(
            {"file": name, "groups": groups, "names": columns.names, "times": times, "rows": self.row_count},
            tensors,
        )


class Observer:
    """folder: of the deployment. window_seconds None: nothing is observed."""

    def __init__(
        self, folder: Path, say: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._say, self._clock = folder, say, clock
        self.window_seconds: int | None = None
        self.not_described = 0
        self._parts: dict[tuple[int, int], _Part] = {}
        self._present: dict[int, _Part] = {}
        """Revision → the part that answers go to."""
        self._handed_at: dict[int, float] = {}
        self._boot, self._count = f"{int(clock()):x}-{os.getpid():x}", 0
        self._tried_at = 0.0
        self._lost_parts = 0
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[_Part] = []

    # --- noting --------------------------------------------------------------------------------------

    def note(
        self,
        revision: Revision,
        code: int,
        seconds: float,
        call: Call | None = None,
        outputs: list[Tensor] | None = None,
    ) -> None:
        """Note an answer that was sent. call, outputs: of one that holds predictions."""
        # This runs for each answer, so it is written for speed.
        present = self._clock()
        part = self._present.get(revision.number)
        if part is None or not part.start <= present < part.end:
            part = self._part_of(revision, present)
            if part is None:
                return
        codes = part.codes
        codes[code] = codes.get(code, 0) + 1
        part.durations[bisect_left(BOUNDS, seconds)] += 1
        if call is None or outputs is None:
            return
        rows = call.inputs.rows
        if part.row_count >= ROWS or part.bytes >= BUFFER_BYTES or call.method not in _LABELS:
            part.not_described += rows
            return
        part.row_count += rows
        for tensor in call.inputs.tensors:
            part.bytes += len(tensor.data)
        part.rows.append((call, outputs))

    def _part_of(self, revision: Revision, present: float) -> _Part | None:
        """Return the part of the present window. One of an earlier window waits for the next tick."""
        length = self.window_seconds
        if length is None:
            return None
        start = int(present) // length * length
        part = self._parts.get((revision.number, start))
        if part is None:
            part = self._parts[revision.number, start] = _Part(start, length, revision)
        self._present[revision.number] = part
        return part

    # --- handing over --------------------------------------------------------------------------------

    def tick(self, present: float) -> None:
        """Hand over what is due. Called about every second."""
        for key, part in [*self._parts.items()]:
            gap = max(_LEAST_GAP_SECONDS, part.seconds / _MOST_PARTS_OF_A_WINDOW)
            has_ended = present >= part.end
            is_due = part.is_full and present - self._handed_at.get(key[0], 0.0) >= gap
            if has_ended or is_due:
                del self._parts[key]
                if self._present.get(key[0]) is part:
                    del self._present[key[0]]
                self._handed_at[key[0]] = present
                self._waiting.append(part)
        if self._task is None or self._task.done():
            is_time = time.monotonic() - self._tried_at > _AGAIN_SECONDS
            if self._waiting or (is_time and any(self._stored())):
                self._task = asyncio.get_running_loop().create_task(self._hand_over())

    async def close(self) -> None:
        """Hand over the rest. What cannot be described in time stays as counts in the folder."""
        self._waiting += self._parts.values()
        self._parts, self._present = {}, {}
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_STOP_SECONDS)
        if self._waiting:
            rest = asyncio.get_running_loop().create_task(self._hand_over())
            await asyncio.wait([rest], timeout=_STOP_SECONDS)

    async def _hand_over(self) -> None:
        self._tried_at = time.monotonic()
        waiting, self._waiting = self._waiting, []
        try:
            frames = await asyncio.to_thread(self._store, waiting)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "modelyard.scorer.observe",
                str(self._folder),
                stdin=asyncio.subprocess.PIPE,
            )
            try:
                await asyncio.wait_for(process.communicate(b"".join(frames)), _HELPER_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                self._say("what was observed could not be described in time; its counts are kept")
        except OSError as error:
            self._say(f"what was observed cannot be kept: {error.strerror}")

    def _store(self, parts: list[_Part]) -> list[bytes]:
        """Write the counts of parts, and return the frames of their rows."""
        folder = self._folder / PARTS_FOLDER
        folder.mkdir(exist_ok=True, mode=0o700)
        frames = []
        for part in parts:
            self._count += 1
            name = f"{part.start}.{part.revision.number}.{self._boot}-{self._count:x}.json"
            told = part.to_wire(self._lost_parts)
            self._lost_parts = 0
            store_part(folder / name, told)
            self.not_described += part.not_described
            if part.rows:
                frames.append(part.to_frame(name))
        for old in sorted(self._stored())[:-MAX_PARTS]:
            old.unlink(missing_ok=True)
            self._lost_parts += 1
        return frames

    def _stored(self) -> list[Path]:
        return [*(self._folder / PARTS_FOLDER).glob("*.json")]


def store_part(path: Path, part: Observation) -> None:
    """Write a part whole, so that a process that is killed leaves either the earlier one or this one."""
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(part))
    new.replace(path)
