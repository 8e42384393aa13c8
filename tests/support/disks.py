"""A disk so small that it is soon full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.services import ServiceMissing, skip_or_fail


@dataclass
class SmallDisk:
    folder: Path
    """Where this process sees it."""
    mounted_at: Path
    """Where a server sees it that is started by `enter`."""
    enter: list[str]


@contextmanager
def mounted_disk(folder: Path) -> Iterator[SmallDisk]:
    """A file system of 24 MiB. Fails where CI=true and mounting is not allowed; skips elsewhere."""
    folder = folder / "disk"
    folder.mkdir()
    # Anybody may mount in a name space of their own, where the kernel has such.
    apart, again = ["unshare", "--mount"], ["nsenter", "--mount"]
    if os.geteuid() != 0:
        apart += ["--user", "--map-root-user"]
        again += ["--user", "--preserve-credentials"]
    script = f"mount -t tmpfs -o size=24m modelyard-test '{folder}' && echo mounted && exec cat"
    holder = subprocess.Popen(
        [*apart, "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stderr is not None
    try:
        if holder.stdout.readline() != "mounted\n":
            skip_or_fail(ServiceMissing(f"no right to mount a small disk: {holder.stderr.read().strip()}"))
        enter = [*again, f"--target={holder.pid}"]
        yield SmallDisk(Path(f"/proc/{holder.pid}/root{folder}"), folder, enter)
    finally:
        holder.communicate("")


def fill(disk: Path, leave: int) -> Path:
    """Take up all space of the disk but so many bytes."""
    filler = disk / "filler"
    state = os.statvfs(disk)
    with filler.open("wb") as file:
        file.write(b"\0" * max(0, state.f_bavail * state.f_frsize - leave))
    return filler
