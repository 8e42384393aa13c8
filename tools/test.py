"""Everything that must hold: style, import arrows, types and all tests. The README's second command.

Arguments go to pytest: `python3 tools/test.py tests/unit -k names`.
"""

from __future__ import annotations

import subprocess
import sys
import time

from environment import ROOT, make_environment, program_of, python_of


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
    for name, command in steps.items():
        print(f"── {name}", flush=True)
        started = time.monotonic()
        if subprocess.run([str(word) for word in command], cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"── {name}: {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
