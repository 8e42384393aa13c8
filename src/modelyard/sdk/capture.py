"""Capture facts about the origin of a model: code, environment, image.

Nothing here makes a push or a run fail: facts that cannot be determined are omitted, and lower the version's
completeness. Credentials in addresses, arguments and diffs are masked before anything is sent.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.domain.secrets import find_secrets, mask, mask_arguments, without_credentials
from modelyard.domain.texts import readable
from modelyard.sdk import sources
from modelyard.sdk.environment import environment_facts, image_facts, image_recipe
from modelyard.sdk.saying import say_once

_GIT_SECONDS = 10.0
MAX_DIFF_BYTES = 64 * 1024
"""Most bytes of a diff that are kept; its digest covers all of it."""
_MAX_READ_BYTES = 16 * 1024 * 1024
_MAX_SOURCE_BYTES = 1024 * 1024
_RECENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """The place of running code. program None: a notebook, a shell, or unknown."""

    folder: Path
    program: Path | None
    arguments: tuple[str, ...] = ()

    @property
    def source(self) -> bytes | None:
        """Return the program's source, unless it is large or missing."""
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

    by_command: files are pushed from the command line, so its arguments do not describe the model.
    """
    found = {
        "code": code_facts(Place(Path.cwd(), None))
        if by_command
        else code_facts(place_of_program(), sources.read_so_far()),
        "environment": environment_facts(),
        "image": image_facts(),
    }
    return {name: readable(facts) for name, facts in found.items() if facts}


def capture_at(place: Place) -> dict[str, Any]:
    """Return the same for a run; without a container image, a recipe for one like this environment.

    The result is cached for a minute, for nested runs.
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
    return {name: readable(facts) for name, facts in found.items() if facts}


# --- code --------------------------------------------------------------------------------------------


def place_of_program() -> Place:
    """Return the place of the running program."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    if not name:
        return Place(Path.cwd(), None)
    return Place(Path.cwd(), Path(name).absolute(), tuple(sys.argv[1:]))


def code_facts(place: Place, read: Iterable[str | Path] = ()) -> dict[str, Any]:
    """Return repository, commit, branch, dirty, diff; entry_point and arguments of the program; and the untracked files
    among the program and `read`."""
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
        if top is not None and (untracked := [*own_sources(place, read, top)]):
            facts |= {"dirty": True, "untracked": untracked}
    return facts


def own_sources(place: Place, read: Iterable[str | Path], top: str | None) -> dict[str, Path]:
    """Return the program's own uncommitted files: the program, and the files of `read` in its folders."""
    program = place.program
    folders = [top, place.folder, program.parent if program is not None else None]
    return sources.unkept([*([program] if program is not None else []), *read], folders, top)


def keep_sources(run: sources.KeepsSources, place: Place, read: Iterable[str | Path]) -> None:
    """Keep the program's own uncommitted files with a run."""
    folder = place.folder if place.program is None else place.program.parent
    top = git_facts(folder).get("top")
    sources.keep(run, own_sources(place, read, top), commit=top is not None)


def _relative(program: Path, folder: Path, top: str | None) -> str:
    for base in (top, folder):
        try:
            if base is not None:
                return program.relative_to(base).as_posix()
        except ValueError:
            continue
    return program.name


def git_facts(folder: Path) -> dict[str, Any]:
    """Return git's facts about the folder's repository, and its `top`; {} without one.

    repository: the remote without credentials. branch: None if HEAD is detached. shallow: the history is
    incomplete. dirty: tracked files differ from the commit; `diff` then has the differences.
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
        if done.returncode != 0 and b"dubious ownership" in done.stderr:
            say_once(
                f"the commit of {folder} is not recorded: git refuses a repository of another user. "
                f"Allow it with: git config --global --add safe.directory {folder}"
            )
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if not commit:
        return {}
    facts: dict[str, Any] = {"commit": commit}
    facts["branch"] = ask("symbolic-ref", "--quiet", "--short", "HEAD")
    # The remote that the branch follows, otherwise origin, otherwise the only one.
    remotes = (ask("remote") or "").split()
    followed = ask("config", "--get", f"branch.{facts['branch']}.remote") if facts["branch"] else None
    chosen = next((name for name in (followed, "origin") if name in remotes), None)
    chosen = chosen or (remotes[0] if len(remotes) == 1 else None)
    if chosen and (remote := ask("config", "--get", f"remote.{chosen}.url")):
        facts["repository"] = without_credentials(remote)
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
    """Return the digest and size of the diff to the commit, and its beginning without credentials.

    If a credential cannot be masked, the text is omitted and `left_out` gives the reason.
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
        # A cut line may end in half a credential, which can no longer be recognised.
        kept = kept[: kept.rfind(b"\n") + 1]
    text = mask(kept.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}"))
    if find_secrets(text):
        facts["left_out"] = "it may hold a credential"
    else:
        facts["text"] = text
    return facts
