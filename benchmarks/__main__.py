"""Compare Modelyard with what else there is on this machine, all in one run.

Starts what it compares, takes every figure in turns with its peers, and prints a table of ratios with the target of
each.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import browser, builds, footprint, load, pages, requests, runs, scale, serving, transfer
from benchmarks.peers import ROOT
from benchmarks.table import Row

SECTIONS: dict[str, Callable[[Path], list[Row]]] = {
    "requests": requests.measure,
    "scale": scale.measure,
    "pages": pages.measure,
    "browser": browser.measure,
    "transfer": transfer.measure,
    "runs": runs.measure,
    "builds": builds.measure,
    "serving": serving.measure,
    "footprint": footprint.measure,
}
ON_POSTGRES: dict[str, Callable[[Path], list[Row]]] = {"requests": requests.measure_on_postgres}
DATABASES = {"sqlite": ("On SQLite", SECTIONS), "postgres": ("On PostgreSQL", ON_POSTGRES)}
"""Database → its heading in the page, and what is measured on it."""
PAGE = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Section:
    name: str
    rows: list[Row]


def table(sections: list[Section]) -> str:
    lines = ["| what | Modelyard | compared with | ratio | target | |", "| --- | --- | --- | --- | --- | --- |"]
    for section in sections:
        lines += [row.line() for row in section.rows]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("section", nargs="*", help=f"{', '.join(SECTIONS)}; all if none is named")
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help="Default: sqlite.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    asked = parser.parse_args(arguments)
    _, measures = DATABASES[asked.database]
    wanted = asked.section or [*measures]
    if unknown := [name for name in wanted if name not in measures]:
        parser.error(f"no section {unknown[0]!r} on {asked.database}; there are {', '.join(measures)}")
    load.need_programs()
    # As on any machine, programs compile their modules once, not at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sections = []
    for name in wanted:
        print(f"── {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
            section = Section(name, measures[name](Path(folder)))
        sections.append(section)
        for row in section.rows:
            print(row.line(), flush=True)
    if asked.write:
        PAGE.write_text(page(PAGE.read_text(), asked.database, wanted, table(sections)))
    return 0 if all(row.holds for section in sections for row in section.rows) else 1


def page(present: str, database: str, wanted: list[str], text: str) -> str:
    """Return the page with another table for this database; what it says of the other one stays."""
    load_line = Path("/proc/loadavg").read_text().split()[0] if Path("/proc/loadavg").exists() else "unknown"
    _, *parts = re.split(r"^## (.+)\n", present, flags=re.M)
    bodies = dict(zip(parts[::2], parts[1::2], strict=True))
    option = "" if database == "sqlite" else f"--database {database} "
    bodies[DATABASES[database][0]] = f"""
Made by `python -m benchmarks {" ".join(wanted)} {option}--write` on {datetime.now(UTC):%Y-%m-%d}: {platform.machine()}, Python
{platform.python_version()}, load average at the end {load_line}.{_NOTES[database]}

{text}
"""
    known = [heading for heading, _ in DATABASES.values() if heading in bodies]
    return _INTRODUCTION + "".join(f"\n## {heading}\n\n{bodies[heading].strip()}\n" for heading in known)


_INTRODUCTION = """# Benchmarks

Every figure is the median of rounds taken in turns with what it is compared with, all on one machine over loopback: read
the ratios, not the single numbers. The MLflow server runs at its default of 4 workers and at 1, and the better figure of
each row counts.
"""
_NOTES = {
    "sqlite": "",
    "postgres": """ All servers use one
PostgreSQL on the same machine, each a database of its own, and each commit waits for the disk. In brackets: the processor time
that the row took, in cores.""",
}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
