"""The environment of a training: Python, the exact versions of its packages, accelerators, the image."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from modelyard.domain.secrets import without_credentials

_IMAGE_VARIABLES = (
    "MODELYARD_IMAGE",
    "CONTAINER_IMAGE",
    "DOCKER_IMAGE",
    "CI_JOB_IMAGE",
    "APPTAINER_CONTAINER",
    "SINGULARITY_CONTAINER",
)
_LOCK_FILES = (
    "uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "Pipfile.lock", "conda-lock.yml", "conda-lock.yaml", "pixi.lock",
    "environment.yml", "environment.yaml",
)  # fmt: skip
_MAX_CONDA_PACKAGES = 5_000
_SMI_SECONDS = 5.0
_MAX_LOCK_BYTES = 64 * 1024 * 1024


def environment_facts() -> dict[str, Any]:
    packages, origins = installed_packages()
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "packages": packages,
    }
    if origins:
        facts["origins"] = origins
    if conda := conda_packages(Path(sys.prefix)):
        facts["conda_packages"] = conda
    if locks := lock_files(Path.cwd()):
        facts["lock_files"] = locks
    if accelerator := accelerator_facts():
        facts["accelerator"] = accelerator
    return facts


def installed_packages() -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return (name → version, name → origin) of the packages that are installed in this environment.

    Origin: `record`, the digest of the list of its files and their digests; and for packages that are not from an index,
    `url` with `commit` or `digest`, or `editable`.
    """
    found: dict[str, str] = {}
    origins: dict[str, dict[str, Any]] = {}
    for distribution in distributions():
        name, version = _name_and_version(distribution)
        if not name or not version:
            continue
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        found[key] = version
        if origin := _origin(distribution):
            origins[key] = origin
    return dict(sorted(found.items())), dict(sorted(origins.items()))


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Return both, or "" for a missing one.

    `distribution.metadata` parses the whole description of a package each time it is read: for a few hundred packages half
    the time of a push.
    """
    head = (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "").partition("\n\n")[0]
    fields = [
        re.search(rf"^{field}:(.*)$", head, re.MULTILINE | re.IGNORECASE) for field in ("Name", "Version")
    ]
    name, version = ("" if match is None else match[1].strip() for match in fields)
    return name, version


def _origin(distribution: Distribution) -> dict[str, Any]:
    try:
        record, direct = distribution.read_text("RECORD"), distribution.read_text("direct_url.json")
    except (OSError, UnicodeDecodeError):
        return {}
    origin: dict[str, Any] = {}
    if record:
        # Only lines with a digest: files that Python writes at the first import have none.
        lines = sorted(line for line in record.splitlines() if ",sha256=" in line)
        origin["record"] = f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
    if direct:
        origin |= _direct_origin(direct)
    return origin


def _direct_origin(text: str) -> dict[str, Any]:
    """Return the direct origin of a package. Source: PEP 610."""
    try:
        told = json.loads(text)
        address = told["url"]
    except (ValueError, KeyError, TypeError):
        return {}
    origin: dict[str, Any] = {"url": _without_password(str(address))}
    if folder := told.get("subdirectory"):
        origin["subdirectory"] = str(folder)
    if str(address).startswith("file:"):
        origin["editable" if told.get("dir_info", {}).get("editable") else "local"] = True
    vcs = told.get("vcs_info", {})
    if commit := vcs.get("commit_id"):
        origin |= {"commit": str(commit), "vcs": str(vcs.get("vcs", "git"))}
    for field in ("requested_revision", "resolved_revision", "resolved_revision_type"):
        if vcs.get(field):
            origin[field] = str(vcs[field])
    archive = told.get("archive_info", {})
    digest = archive.get("hashes", {}).get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    if digest:
        origin["digest"] = f"sha256:{digest}"
    return origin


def _without_password(address: str) -> str:
    """Return the address without credentials. The account of an ssh address stays, because it is needed."""
    clean = without_credentials(address)
    scheme, separator, rest = clean.partition("://")
    account = address.partition("://")[2].rpartition("@")[0] if "@" in address else ""
    if "ssh" in scheme and re.fullmatch(r"[A-Za-z0-9._-]+", account) and not rest.startswith(f"{account}@"):
        return f"{scheme}{separator}{account}@{rest}"
    return clean


def conda_packages(prefix: Path) -> dict[str, dict[str, str]]:
    """Return name → version, build, channel and digest of packages from conda, mamba or pixi, in any language."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted((prefix / "conda-meta").glob("*.json"))[:_MAX_CONDA_PACKAGES]:
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            name = str(told["name"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        fields = ("version", "build", "subdir", "md5", "sha256")
        found[name] = {field: str(told[field]) for field in fields if told.get(field)}
        if address := told.get("url") or told.get("channel"):
            found[name]["url"] = _without_password(str(address))
    return found


def requirements_text(environment: dict[str, Any]) -> str:
    """Return the packages as a requirements file for an installer; local packages are comments."""
    lines = []
    for name, version in environment.get("packages", {}).items():
        origin = environment.get("origins", {}).get(name, {})
        if "editable" in origin or "local" in origin:
            lines.append(f"# {name}=={version} (local)")
        elif "url" in origin:
            prefix = f"{origin['vcs']}+" if "commit" in origin else ""
            end = f"@{origin['commit']}" if "commit" in origin else ""
            parts = [f"sha256={origin['digest'].removeprefix('sha256:')}"] if "digest" in origin else []
            parts += [f"subdirectory={origin['subdirectory']}"] if "subdirectory" in origin else []
            fragment = f"#{'&'.join(parts)}" if parts else ""
            lines.append(f"{name} @ {prefix}{origin['url']}{end}{fragment}")
        else:
            lines.append(f"{name}=={version}")
    return "\n".join([*lines, ""])


def lock_files(folder: Path) -> dict[str, str]:
    """Return name → digest of the lock files in the folder or above it, up to the top of the repository."""
    found: dict[str, str] = {}
    for place in (folder, *folder.parents):
        for path in (*(place / name for name in _LOCK_FILES), *sorted(place.glob("requirements*.txt"))[:10]):
            try:
                if path.name not in found and path.is_file() and path.stat().st_size <= _MAX_LOCK_BYTES:
                    found[path.name] = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
            except OSError:
                continue
        if (place / ".git").exists() or (place / "pyproject.toml").exists():
            return found
    # The top of the project is unknown, so folders above may belong to others.
    return {name: digest for name, digest in found.items() if (folder / name).exists()}


# --- accelerators ------------------------------------------------------------------------------------


def accelerator_facts() -> dict[str, Any]:
    """Return driver, CUDA and devices from nvidia-smi, and from torch if it is imported already."""
    return {**_smi_facts(), **_torch_facts()}


def ask_smi(*arguments: str) -> str:
    """Return the output of nvidia-smi; "" if it is missing, fails or takes too long."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        done = subprocess.run(
            [command, *arguments],
            capture_output=True,
            timeout=_SMI_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _smi_facts() -> dict[str, Any]:
    rows = [
        [cell.strip() for cell in line.split(",")]
        for line in ask_smi(
            "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"
        ).splitlines()
    ]
    rows = [row for row in rows if len(row) == 3]
    if not rows:
        return {}
    facts: dict[str, Any] = {
        "devices": [row[0] for row in rows],
        "driver": rows[0][1],
        "memory": [row[2] for row in rows],
    }
    if match := re.search(r"CUDA Version: *([0-9.]+)", ask_smi()):
        facts["cuda_driver"] = match[1]
    return facts


def _torch_facts() -> dict[str, Any]:
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

_PODMAN_FILE = Path("/run/.containerenv")
_DOCKER_FILE = Path("/.dockerenv")


def image_facts() -> dict[str, Any]:
    """Return the container image, as far as the environment or the container names it; {} outside a container."""
    for variable in _IMAGE_VARIABLES:
        value = os.environ.get(variable)
        if value:
            return _image(value, variable)
    try:
        told = dict(re.findall(r'^(\w+)="([^"]*)"$', _PODMAN_FILE.read_text(), flags=re.M))
    except (OSError, UnicodeDecodeError):
        return {}
    if not told.get("image"):
        return {}
    facts = _image(told["image"], str(_PODMAN_FILE))
    if re.fullmatch(r"[0-9a-f]{64}", told.get("imageid", "")):
        facts["image_id"] = f"sha256:{told['imageid']}"
    return facts


def _image(value: str, named_by: str) -> dict[str, Any]:
    text = without_credentials(value)
    facts = {"reference": text, "named_by": named_by}
    if "@sha256:" in text:
        facts["digest"] = text.rpartition("@")[2]
    return facts


def image_recipe(environment: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe for an image like this environment: a base image, and the exact packages.

    lock: digest of the environment's `requirements_text`, from which the lock can be produced again.
    """
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}.get(
        environment["machine"], environment["machine"]
    )
    lock = hashlib.sha256(requirements_text(environment).encode()).hexdigest()
    recipe: dict[str, Any] = {
        "base": f"docker.io/library/python:{environment['python']}-slim",
        "platform": f"{environment['system'].lower()}/{machine}",
        "install": "pip install --requirement requirements.txt",
        "lock": f"sha256:{lock}",
    }
    facts: dict[str, Any] = {"recipe": recipe}
    if _DOCKER_FILE.exists():
        facts["inside"] = "a container that does not name its image"
    return facts
