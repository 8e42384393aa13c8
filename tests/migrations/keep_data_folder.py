"""Writes the data folder of a release, for later releases to be tested on: `python -m tests.migrations.keep_data_folder 0.1`.

Run it once for each release; `test_kept_folders.py` opens every folder that was kept.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support.server import running_server

KEPT = Path(__file__).parent / "kept"
POLICY = """\
version: 1
promote:
  - {to: development, rules: []}
  - {to: staging, rules: [{metric: {name: f1, min: 0.5}}]}
  - {to: production, rules: [{metric: {name: f1, min: 0.99}}]}
"""


def fill(folder: Path) -> Path:
    """A registry with something of each feature; returns its data folder."""
    with running_server(folder=folder) as server, server.client() as client:
        model = folder / "model"
        model.mkdir()
        for number, text in enumerate(("first", "second"), start=1):
            (model / "weights.bin").write_text(text)
            (model / "README.md").write_text(f"# Purpose\n\nThe {text} one.\n")
            metrics = {"f1": 0.5 + number / 10}
            client.push(model, "fraud/scorer", metrics=metrics, params={"depth": number}, tags={"team": "risk"})
        commands = [
            ["alias", "set", "fraud/scorer:1", "champion"],
            ["policy", "set", "fraud", str(folder / "policy.yaml")],
            ["promote", "fraud/scorer:2", "staging"],
            ["promote", "fraud/scorer:2", "production"],
            ["comment", "add", "fraud/scorer:1", "looks good"],
            [
                "run",
                "--name",
                "kept",
                "--experiment",
                "fraud/kept",
                "--",
                sys.executable,
                "-c",
                "print('trained')",
            ],
        ]
        (folder / "policy.yaml").write_text(POLICY)
        for command in commands:
            done = server.run(*command)
            # The gate to production says no, which is kept too.
            assert done.returncode in (0, 3), (command, done.stdout, done.stderr)
        return server.data


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        data = fill(Path(place))
        target = KEPT / f"{sys.argv[1]}.tar.xz"
        with tarfile.open(target, "w:xz") as archive:
            archive.add(data, arcname="data")
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
