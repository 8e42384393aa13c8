"""Evaluate CEL expressions in a child process: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import json
import sys
from typing import Any

from modelyard.registry.line_process import limit_memory

MEMORY_BYTES = 1 << 30
MAX_ERROR = 300


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Answer with {value}, or {error} and whether types caused it; without a context: {names} in it, or {error}."""
    import cel

    try:
        program = cel.compile(request["expr"])
    except Exception as exc:  # noqa: BLE001 - whatever a strange source raises is its own fault
        return {"error": f"it does not compile: {_first_line(exc)}"}
    if "context" not in request:
        return {"names": sorted(program.references()["variables"])}
    try:
        value = program.execute(request["context"])
    except KeyError as exc:
        return {"error": f"{exc.args[0]!r} is not defined"}
    except TypeError as exc:
        return {"error": _first_line(exc), "mistyped": True}
    except Exception as exc:  # noqa: BLE001 - as above
        return {"error": _first_line(exc)}
    if not isinstance(value, bool):
        return {"error": f"it gives {type(value).__name__}, not true or false", "mistyped": True}
    return {"value": value}


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0][:MAX_ERROR]


def main() -> None:
    import cel  # noqa: F401 - imported before the first expression is timed

    limit_memory(MEMORY_BYTES)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
