"""What can be known of how a model was made, from where it is made: code, environment, image.

Nothing here fails a push or a run: what cannot be found out is left out, and the version's completeness says
so. Credentials never leave: they are taken out of addresses, arguments and differences.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.domain.secrets import find_secrets, mask, mask_arguments, without_credentials
from modelyard.sdk.environment import environment_facts, image_facts, image_recipe

_GIT_SECONDS = 10.0
MAX_DIFF_BYTES = 64 * 1024
"""So much of a dirty difference is kept; its digest is of all of it."""
_MAX_READ_BYTES = 16 * 1024 * 1024
_MAX_SOURCE_BYTES = 1024 * 1024
_RECENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where something runs. program None: a notebook, a shell, or no one knows."""

    folder: Path
    program: Path | None
    arguments: tuple[str, ...] = ()

    @property
    def source(self) -> bytes | None:
        """The program's own text, unless it is large or gone."""
        if self.program is None:
            return None
        try:
            if self.program.stat().st_size > _MAX_SOURCE_BYTES:
                return None
            return self.program.read_bytes()
        except OSError:
            return None


_recent: dict[Place, tuple[float, dict[str, Any]]] = {}
_recent_lock = threading.Lock()


def capture(*, by_command: bool = False) -> dict[str, Any]:
    """Return the facts `code`, `environment` and `image`, as far as they are known here.

    by_command: a person pushes files by the command line, so its arguments say nothing of the model.
    """
    found = {
        "code": code_facts(Place(Path.cwd(), None) if by_command else place_of_program()),
        "environment": environment_facts(),
        "image": image_facts(),
    }
    return {name: facts for name, facts in found.items() if facts}


def capture_at(place: Place) -> dict[str, Any]:
    """Return the same for a run; without a container image, the recipe of one like this environment.

    Asked again within a minute, as nested runs do, it answers as before.
    """
    with _recent_lock:
        before = _recent.get(place)
        if before is None or time.monotonic() - before[0] > _RECENT_SECONDS:
            _recent.clear()
            before = _recent[place] = (time.monotonic(), _capture_at(place))
        return dict(before[1])


def _capture_at(place: Place) -> dict[str, Any]:
    environment = environment_facts()
    found = {
        "code": code_facts(place),
        "environment": environment,
        "image": image_facts() or image_recipe(environment),
    }
    return {name: facts for name, facts in found.items() if facts}


# --- code --------------------------------------------------------------------------------------------


def place_of_program() -> Place:
    """Of the running program."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    if not name:
        return Place(Path.cwd(), None)
    return Place(Path.cwd(), Path(name).absolute(), tuple(sys.argv[1:]))


def code_facts(place: Place) -> dict[str, Any]:
    """repository, commit, branch, dirty, diff; entry_point and arguments of the program."""
    folder = place.folder if place.program is None else place.program.parent
    facts = git_facts(folder)
    top = facts.pop("top", None)
    if place.program is not None:
        facts["entry_point"] = _relative(place.program, place.folder, top)
        if place.arguments:
            facts["arguments"] = mask_arguments(list(place.arguments))
        source = place.source
        if source is not None:
            facts["entry_point_digest"] = f"sha256:{hashlib.sha256(source).hexdigest()}"
    return facts


def _relative(program: Path, folder: Path, top: str | None) -> str:
    for base in (top, folder):
        try:
            if base is not None:
                return program.relative_to(base).as_posix()
        except ValueError:
            continue
    return program.name


def git_facts(folder: Path) -> dict[str, Any]:
    """Return what git says of the repository of the folder, and its `top`; {} without one.

    repository: the remote without credentials. branch: None when HEAD is detached. shallow: the history was
    cut. dirty: tracked files differ from the commit, then `diff` says how.
    """
    git = shutil.which("git")
    if git is None:
        return {}

    def ask(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                [git, "-C", str(folder), *arguments],
                capture_output=True,
                timeout=_GIT_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if not commit:
        return {}
    facts: dict[str, Any] = {"commit": commit}
    if remote := ask("config", "--get", "remote.origin.url"):
        facts["repository"] = without_credentials(remote)
    facts["branch"] = ask("symbolic-ref", "--quiet", "--short", "HEAD")
    if ask("rev-parse", "--is-shallow-repository") == "true":
        facts["shallow"] = True
    status = ask("status", "--porcelain", "--untracked-files=no")
    if status is not None:
        facts["dirty"] = bool(status)
    if status:
        facts["diff"] = diff_facts(git, folder)
    if top := ask("rev-parse", "--show-toplevel"):
        facts["top"] = top
    return facts


def diff_facts(git: str, folder: Path) -> dict[str, Any]:
    """Return the digest and size of what differs from the commit, and its beginning without credentials.

    Where a credential cannot be masked, the text is left out and `left_out` says why.
    """
    command = [git, "-C", str(folder), "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv"]
    digest, size, kept = hashlib.sha256(), 0, b""
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            while size < _MAX_READ_BYTES and (block := process.stdout.read(1 << 16)):
                digest.update(block)
                size += len(block)
                kept += block[: max(0, MAX_DIFF_BYTES - len(kept))]
            process.stdout.close()
    except OSError:
        return {}
    facts: dict[str, Any] = {"digest": f"sha256:{digest.hexdigest()}", "size_bytes": size}
    if size > MAX_DIFF_BYTES:
        facts["cut"] = True
        # Half a line may end in half a credential, which has no form any more.
        kept = kept[: kept.rfind(b"\n") + 1]
    text = mask(kept.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}"))
    if find_secrets(text):
        facts["left_out"] = "it may hold a credential"
    else:
        facts["text"] = text
    return facts
