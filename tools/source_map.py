"""Reads the map of the source from the source: its rooms, who imports whom, its features, and the way of a request."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "modelyard"

# From the top down, as STYLE of this project draws them; the picture and the tree keep this order.
ROOMS = (
    "domain",
    "blobs",
    "db",
    "engines",
    "registry",
    "doors",
    "api",
    "web",
    "worker",
    "server",
    "wire",
    "sdk",
    "agent",
    "scorer",
    "cli",
)

# One request of each kind, downwards: file → the function to read there. The last one commits, or gives the answer.
WAYS: dict[str, tuple[tuple[str, str], ...]] = {
    "push": (
        ("api/versions.py", "register_version"),
        ("registry/versions/registering.py", "register_version"),
        ("registry/versions/registering_queries.py", "insert_version"),
        ("db/writer.py", "commit"),
    ),
    "promote": (
        ("api/promotion.py", "promote"),
        ("registry/promotion/usecases.py", "promote"),
        ("registry/promotion/queries.py", "store_move"),
        ("db/writer.py", "commit"),
    ),
    "resolve": (
        ("api/versions.py", "resolve"),
        ("registry/versions/usecases.py", "resolve"),
        ("registry/versions/queries.py", "resolve"),
        ("db/engine.py", "apoint"),
    ),
    "pull": (
        ("api/files.py", "get_file"),
        ("registry/versions/usecases.py", "find_file"),
        ("registry/versions/queries.py", "find_file"),
        ("doors/ranges.py", "bytes_response"),
    ),
    "log a batch": (
        ("api/runs.py", "send_records"),
        ("registry/runs/usecases.py", "store_records"),
        ("registry/runs/series_queries.py", "add_points"),
        ("db/writer.py", "commit"),
    ),
}


def headline(module: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(module.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")


def features() -> list[Path]:
    return sorted(path.parent for path in (SOURCE / "registry").glob("*/__init__.py"))


def tree() -> str:
    """Every room, and every feature of the registry, with what it is for."""
    rows = [("src/modelyard/", "")]
    for room in ROOMS:
        rows.append((f"├── {room}/", headline(SOURCE / room / "__init__.py")))
        if room == "registry":
            rows += [(f"│   ├── {folder.name}/", headline(folder / "__init__.py")) for folder in features()]
    rows.append(("└── settings.py", headline(SOURCE / "settings.py")))
    demo = SOURCE.parent / "modelyard_demo"
    rows.append((f"src/{demo.name}/", headline(demo / "__init__.py")))
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(["```", *(f"{name:{width}}{meaning}".rstrip() for name, meaning in rows), "```"])


def room_of(module: str) -> str | None:
    """modelyard.api.files → api. None for the package's root and for what is not ours."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "modelyard" and parts[1] in ROOMS else None


def arrows() -> dict[str, set[str]]:
    """Room → the rooms that it imports."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for room in ROOMS:
        for path in (SOURCE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names: list[str] = []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                found[room].update(other for name in names if (other := room_of(name)) and other != room)
    return found


def picture() -> str:
    """The rooms and their arrows as a Mermaid graph. What follows from other arrows is left out."""
    direct = arrows()

    def reached(room: str) -> set[str]:
        every: set[str] = set()
        waiting = [room]
        while waiting:
            for other in direct[waiting.pop()] - every:
                every.add(other)
                waiting.append(other)
        return every

    lines = ["```mermaid", "graph TD"]
    for room in reversed(ROOMS):
        plain = {
            other for other in direct[room] if not any(other in reached(via) for via in direct[room] - {other})
        }
        lines += [f"    {room} --> {other}" for other in sorted(plain, key=ROOMS.index, reverse=True)]
    return "\n".join([*lines, "```"])


def ways() -> str:
    """The table of requests and the four files of each."""
    lines = ["| request | route | use case | SQL | end |", "| --- | --- | --- | --- | --- |"]
    for request, steps in WAYS.items():
        lines.append(f"| {request} | " + " | ".join(f"`{file}`: `{name}`" for file, name in steps) + " |")
    return "\n".join(lines)
