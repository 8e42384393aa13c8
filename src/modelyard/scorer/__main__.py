"""`python -m modelyard.scorer FOLDER`; in an image without the folder, whose default then is made."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from modelyard.scorer.container import DEFAULT_FOLDER, Container
from modelyard.sdk.locks import try_lock

try:
    from modelyard.scorer.front import CannotStart, Front, say
except ModuleNotFoundError as missing:
    needs = f'serving needs {missing.name}. Install it with: pip install "modelyard[scorer]"'
    raise SystemExit(needs) from None

_LOCK = "front.lock"
_USED, _FAILED = 3, 1


def main() -> int:
    """Serve; return 0 after a stop, 1 if it cannot begin, 3 if another front has this folder."""
    try:
        container = Container.of(os.environ)
    except ValueError as error:
        print(f"the variables MODELYARD_SCORER_… cannot be used: {error}", file=sys.stderr)
        return 2
    if len(sys.argv) != 2 and not (len(sys.argv) == 1 and container.order):
        print(
            "usage: python -m modelyard.scorer FOLDER; without it, MODELYARD_SCORER_ORDER says what to serve",
            file=sys.stderr,
        )
        return 2
    folder = Path(sys.argv[1] if len(sys.argv) == 2 else DEFAULT_FOLDER)
    if len(sys.argv) == 1:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not folder.is_dir():
        print(f"there is no folder {folder}", file=sys.stderr)
        return _FAILED
    # Held by this process alone, and until its end.
    if try_lock(folder / _LOCK) is None:
        say("another front serves from this folder")
        return _USED
    # uv, which makes environments, is installed next to this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(folder, container))
    except CannotStart as error:
        say(str(error))
        return _FAILED
    return 0


async def _serve(folder: Path, container: Container) -> None:
    front = Front(folder, container)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, front.stop)
    await front.run()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main())
