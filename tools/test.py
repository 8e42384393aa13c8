"""Everything that must hold: style, import arrows, types and all tests. The README's second command.

Arguments go to pytest: `python3 tools/test.py tests/unit -k names`. The steps see no program of the machine but those
of PROGRAMS, so that none that happens to be installed hides that the project does not bring what it needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from environment import ROOT, make_environment, program_of, python_of

PROGRAMS = ("git",)
"""What the README asks for, besides Python."""
BASE_PROGRAMS = (
    *(
        "bash",
        "sh",
        "env",
        "cat",
        "chmod",
        "cp",
        "echo",
        "false",
        "head",
        "ln",
        "ls",
        "mkdir",
        "mv",
        "rm",
        "sleep",
    ),
    *("tail", "test", "touch", "true", "uname"),
    # Of util-linux: namespaces, in which tests have a small disk and PostgreSQL a user that is not root.
    *("mount", "nsenter", "umount", "unshare"),
)
"""What every Linux has; elsewhere those that are missing are left out."""
_PACKAGES = Path(__file__).with_name("system-programs.txt").read_text().split()
SYSTEM_PROGRAMS = tuple({"bubblewrap": "bwrap"}.get(package, package) for package in _PACKAGES)
"""Of the system's packages, most with the same names. Tests that need a missing one are skipped, and say how to get it."""

# In the order of collection: by itself, loadfile keeps the files of few and long tests for the end, where they leave one
# of the processes idle. One process more than the two cores of CI, since tests of servers mostly wait.
WHOLE_SUITE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", "--durations", "15")


QUICK_BYTES = 8 << 30
"""Memory that must be free so that temporary files are kept in it; all tests together use about 2 GB."""


def restricted_path(folder: Path, python: Path) -> str:
    """A search path with the environment's programs and PROGRAMS alone. Ends the run where one of these is missing."""
    for name in (*PROGRAMS, *BASE_PROGRAMS, *SYSTEM_PROGRAMS):
        found = shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
        elif name in PROGRAMS:
            raise SystemExit(f"the tests need {name}; install it and run this again")
    return os.pathsep.join([str(python.parent), str(folder)])


@contextmanager
def quick_folder() -> Iterator[str | None]:
    """A folder for temporary files in memory: most are there for a moment, and a disk takes a fifth of the time of all tests.
    None: this machine has no room for it."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    try:
        available = next(
            line for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line
        )
        has_room = min(shutil.disk_usage(memory).free, int(available.split()[1]) * 1024) >= QUICK_BYTES
    except (OSError, StopIteration):
        has_room = False
    if not has_room:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="my-tests-", dir=memory) as folder:
        yield folder


def main() -> int:
    # Without its dependencies xgboost does not bring a GPU toolkit of several hundred megabytes.
    folder = make_environment(
        ".venv", "server,postgres,s3,demo", ["test", "lint"], first=["--no-deps", "xgboost>=3,<4"]
    )
    python = str(python_of(folder))
    chosen = sys.argv[1:]
    steps = {
        "style": [program_of(folder, "ruff"), "check", "."],
        "format": [program_of(folder, "ruff"), "format", "--check", "."],
        "import arrows": [program_of(folder, "lint-imports")],
        "types": [program_of(folder, "mypy"), "--strict", "-p", "modelyard", "-p", "modelyard_demo"],
        "tests": [python, "-m", "pytest", *(chosen or WHOLE_SUITE)],
    }
    failed = []
    with tempfile.TemporaryDirectory(prefix="modelyard-programs-") as programs, quick_folder() as quick:
        environment = {**os.environ, "PATH": restricted_path(Path(programs), Path(python))}
        if quick is not None:
            environment["TMPDIR"] = quick
        # Otherwise each of the thousand programs that the tests start would compile all its modules again.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(command: list[str], output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [str(word) for word in command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
            )

        # The tests wait a good part of their time, so the types are checked meanwhile.
        with tempfile.TemporaryFile() as said:
            types = start(steps.pop("types"), said)
            for name, command in steps.items():
                print(f"── {name}", flush=True)
                started = time.monotonic()
                if start(command).wait():
                    failed.append(name)
                print(f"── {name}: {time.monotonic() - started:.0f} s", flush=True)
            print("── types", flush=True)
            if types.wait():
                failed.append("types")
            said.seek(0)
            print(said.read().decode(errors="replace"), flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
