"""Compare Modelyard with what else there is on this machine, all in one run.

Starts what it compares, takes every figure in turns with its peers, and prints a table of ratios with the target of
each.
"""

from __future__ import annotations

import argparse
import os
import platform
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
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    asked = parser.parse_args(arguments)
    wanted = asked.section or [*SECTIONS]
    if unknown := [name for name in wanted if name not in SECTIONS]:
        parser.error(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    load.need_programs()
    # As on any machine, programs compile their modules once, not at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sections = []
    for name in wanted:
        print(f"── {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
            section = Section(name, SECTIONS[name](Path(folder)))
        sections.append(section)
        for row in section.rows:
            print(row.line(), flush=True)
    text = table(sections)
    if asked.write:
        PAGE.write_text(page(text, wanted))
    return 0 if all(row.holds for section in sections for row in section.rows) else 1


def page(text: str, wanted: list[str]) -> str:
    load_line = Path("/proc/loadavg").read_text().split()[0] if Path("/proc/loadavg").exists() else "unknown"
    return f"""# Benchmarks

Made by `python -m benchmarks {" ".join(wanted)} --write` on {datetime.now(UTC):%Y-%m-%d}: {platform.machine()}, Python
{platform.python_version()}, load average at the end {load_line}. Every figure is the median of rounds taken in turns with
what it is compared with, all on one machine over loopback: read the ratios, not the single numbers. The MLflow server
runs at its default of 4 workers and at 1, and the better figure of each row counts.

{text}
"""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
