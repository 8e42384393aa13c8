"""Processes of this machine that outlive the server that started them, and are found again by pid, start time and boot."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PROC = Path("/proc")


class Stat:
    """The line about a process in /proc. Source: proc_pid_stat(5)."""

    __slots__ = ("parent", "session", "start", "state")

    def __init__(self, line: bytes) -> None:
        # The name in brackets may contain spaces and brackets.
        fields = line.rpartition(b")")[2].split()
        self.state = fields[0].decode()
        self.parent, self.session = int(fields[1]), int(fields[3])
        self.start = fields[19].decode()


def stat_of(pid: int) -> Stat | None:
    line = read_bytes(PROC / str(pid) / "stat")
    return Stat(line) if line else None


def start_of(pid: int) -> str:
    """Return the start time of a living process, in the system's own unit; "": there is none."""
    if not PROC.is_dir():
        try:
            os.kill(pid, 0)
        except OSError:
            return ""
        return "?"
    stat = stat_of(pid)
    return "" if stat is None or stat.state in "ZX" else stat.start


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def boot() -> str:
    """Return the id of this start of the machine: after another one, pids mean other processes."""
    return read_bytes(PROC / "sys/kernel/random/boot_id").decode().strip() or "?"


def note_process(folder: Path, pid: int) -> None:
    """Write the file `process`, by which a later server finds the process again."""
    note = folder / "process.new"
    note.write_text(f"{pid} {start_of(pid)} {boot()}\n")
    note.replace(folder / "process")


def noted_process(folder: Path) -> int | None:
    """Return the process of the file `process`, if it still is that one."""
    try:
        pid, start, booted = (folder / "process").read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if booted == boot() and start == start_of(int(pid)) != "" else None


def send(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def tail(path: Path, size_bytes: int, lines: int) -> str:
    """Return the last lines of a file; "": there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size_bytes))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
