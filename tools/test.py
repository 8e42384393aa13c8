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
from pathlib import Path

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


def restricted_path(folder: Path, python: Path) -> str:
    """A search path with the environment's programs and PROGRAMS alone. Ends the run where one of these is missing."""
    for name in (*PROGRAMS, *BASE_PROGRAMS):
        found = shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
        elif name in PROGRAMS:
            raise SystemExit(f"the tests need {name}; install it and run this again")
    return os.pathsep.join([str(python.parent), str(folder)])


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
        "types": [program_of(folder, "mypy"), "--strict", "-p", "modelyard"],
        "tests": [python, "-m", "pytest", *(chosen or ["-n", "2", "--dist", "loadfile", "--durations", "15"])],
    }
    failed = []
    with tempfile.TemporaryDirectory(prefix="modelyard-programs-") as programs:
        environment = {**os.environ, "PATH": restricted_path(Path(programs), Path(python))}
        for name, command in steps.items():
            print(f"── {name}", flush=True)
            started = time.monotonic()
            words = [str(word) for word in command]
            done = subprocess.run(words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
            if done.returncode:
                failed.append(name)
            print(f"── {name}: {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
