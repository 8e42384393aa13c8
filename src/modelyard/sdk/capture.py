"""What can be known of how a model was made, from where the push runs: code, environment, image.

Nothing here fails a push: what cannot be found out is left out, and the version's completeness says so.
Credentials never leave: they are taken out of addresses and arguments.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from modelyard.sdk.http import mask

_GIT_SECONDS = 10.0
_IMAGE_VARIABLES = (
    "MODELYARD_IMAGE",
    "CONTAINER_IMAGE",
    "DOCKER_IMAGE",
    "CI_JOB_IMAGE",
    "APPTAINER_CONTAINER",
    "SINGULARITY_CONTAINER",
)
_SECRET_OPTION = re.compile(r"(?i)(token|password|passwd|secret|credential|api[-_]?key|access[-_]?key|auth)")
_MAX_ARGUMENT = 500
_MAX_ARGUMENTS = 200


def capture(*, by_command: bool = False) -> dict[str, Any]:
    """The facts `code`, `environment` and `image`, as far as they are known here.

    by_command: a person pushes files by the command line, so its arguments say nothing of the model.
    """
    found = {
        "code": code_facts(with_arguments=not by_command),
        "environment": environment_facts(),
        "image": image_facts(),
    }
    return {name: facts for name, facts in found.items() if facts}


# --- code --------------------------------------------------------------------------------------------


def code_facts(*, with_arguments: bool) -> dict[str, Any]:
    """repository, commit, dirty; entry_point and arguments of the running program."""
    program = _program() if with_arguments else None
    folder = program.parent if program is not None else Path.cwd()
    facts = git_facts(folder)
    if program is not None:
        facts["entry_point"] = _relative(program, folder, facts.pop("top", None))
        if len(sys.argv) > 1:
            facts["arguments"] = masked_arguments(sys.argv[1:])
    facts.pop("top", None)
    return facts


def _program() -> Path | None:
    """The file of the running program; None in a notebook or a shell."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(name).absolute() if name else None


def _relative(program: Path, folder: Path, top: str | None) -> str:
    try:
        return program.relative_to(top or folder).as_posix()
    except ValueError:
        return program.name


def git_facts(folder: Path) -> dict[str, Any]:
    """repository, commit, dirty and top of the repository the folder lies in; {} without one."""
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
    status = ask("status", "--porcelain", "--untracked-files=no")
    if status is not None:
        facts["dirty"] = bool(status)
    if top := ask("rev-parse", "--show-toplevel"):
        facts["top"] = top
    return facts


def without_credentials(address: str) -> str:
    """The address without user, password, query and fragment; `git@host:path` stays as it is."""
    if "://" not in address:
        return mask(address)
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return mask(urlunsplit((parts.scheme, host, parts.path, "", "")))


def masked_arguments(arguments: list[str]) -> list[str]:
    """The arguments without what looks like a secret: by the option's name, or by its own form."""
    found: list[str] = []
    hide_next = False
    for argument in arguments[:_MAX_ARGUMENTS]:
        name, equals, value = argument.partition("=")
        if hide_next and not argument.startswith("-"):
            found.append("***")
        elif equals and _SECRET_OPTION.search(name):
            found.append(f"{name}=***")
        else:
            text = f"{name}{equals}{without_credentials(value)}" if "://" in value else argument
            found.append((without_credentials(text) if "://" in name else mask(text))[:_MAX_ARGUMENT])
        hide_next = not equals and argument.startswith("-") and bool(_SECRET_OPTION.search(name))
    return found


# --- environment -------------------------------------------------------------------------------------


def environment_facts() -> dict[str, Any]:
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "packages": installed_packages(),
    }
    if accelerator := accelerator_facts():
        facts["accelerator"] = accelerator
    return facts


def installed_packages() -> dict[str, str]:
    """Name → version of what is installed in this environment."""
    from importlib.metadata import distributions

    found: dict[str, str] = {}
    for distribution in distributions():
        name, version = distribution.metadata["Name"], distribution.version
        if name and version:
            found.setdefault(re.sub(r"[-_.]+", "-", str(name)).lower(), str(version))
    return dict(sorted(found.items()))


def accelerator_facts() -> dict[str, Any]:
    """CUDA and the devices, when torch is in use anyway; it is never imported for this."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    try:
        if not torch.cuda.is_available():
            return {}
        count = torch.cuda.device_count()
        return {
            "cuda": torch.version.cuda,
            "devices": [torch.cuda.get_device_name(index) for index in range(count)],
        }
    except (AttributeError, RuntimeError):
        return {}


# --- image -------------------------------------------------------------------------------------------


def image_facts() -> dict[str, Any]:
    """The container image, as far as the environment names it."""
    for variable in _IMAGE_VARIABLES:
        value = os.environ.get(variable)
        if value:
            text = without_credentials(value)
            facts = {"reference": text, "named_by": variable}
            if "@sha256:" in text:
                facts["digest"] = text.rpartition("@")[2]
            return facts
    return {}
