"""Build the image of deploy/Containerfile and try it, without any network: `make container`.

The base image is made of this machine's own Debian packages and Python, and the packages of Python come from pip's
download. The image then runs as in production: a read-only root filesystem, its own user, no capabilities. /health is
asked, a version is registered and pulled, and the server is stopped. Needs root, buildah, podman and runc.

    python tools/container.py --base docker.io/library/python:3.12-slim   # with the base image that is released
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "base-files base-passwd bash coreutils dash debianutils findutils grep gzip libc6 libc-bin libgcc-s1 libstdc++6 login mawk passwd sed tar tzdata "
    "util-linux ca-certificates"
).split()
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
UNNEEDED = ("test", "idlelib", "tkinter", "__pycache__", "site-packages")
START_SECONDS = 120
TMP = "/tmp"  # noqa: S108 of the container, a file system of its own


def call(*words: str | Path, inside: Path | None = None) -> str:
    """Run a command and return what it prints. Ends this program when it fails."""
    done = subprocess.run([*map(str, words)], cwd=inside, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def make_base(folder: Path) -> None:
    """Fill a folder with a small Debian and the Python that runs this program, in /usr/local."""
    for name in MERGED:
        if Path("/", name).is_symlink():
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
    for name in ("etc", "proc", "sys", "dev", "run", "tmp", "var/tmp", "root", "home", "usr/local"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (folder / name).chmod(0o1777)
    for path in map(Path, call("dpkg", "-L", *PACKAGES).split("\n")):
        if path.is_absolute() and not str(path).startswith("/usr/share/doc/"):
            copy(path, folder)
    copy(Path("/etc/ssl/certs/ca-certificates.crt"), folder)
    for name in ("passwd", "group"):
        shutil.copy(f"/usr/share/base-passwd/{name}.master", folder / "etc" / name)
    for name in ("shadow", "gshadow"):
        (folder / "etc" / name).touch(0o640)
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    target = folder / "usr" / "local"
    shutil.copytree(
        prefix / "lib" / version,
        target / "lib" / version,
        symlinks=True,
        ignore=shutil.ignore_patterns(*UNNEEDED, "*.a"),
    )
    for library in (prefix / "lib").glob("libpython*.so*"):
        shutil.copy(library, target / "lib", follow_symlinks=False)
    (target / "bin").mkdir()
    shutil.copy(prefix / "bin" / version, target / "bin")
    for name in ("python3", "python"):
        (target / "bin" / name).symlink_to(version)
    for library in libraries_of(folder):
        copy(library, folder)
    call("ldconfig", "-r", folder)


def copy(path: Path, folder: Path) -> None:
    """Copy a file with the links that lead to it."""
    target = folder / path.relative_to("/")
    if target.exists() or target.is_symlink():
        return
    if path.is_dir() and not path.is_symlink():
        target.mkdir(parents=True, exist_ok=True)
    elif path.exists() or path.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
        if path.is_symlink():
            copy(path.parent.resolve() / path.readlink(), folder)


def libraries_of(folder: Path) -> set[Path]:
    """List the shared libraries of this machine that the programs and modules in a folder need."""
    found: set[Path] = set()
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file() or path.open("rb").read(4) != b"\x7fELF":
            continue
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        words = (word for line in listed.splitlines() for word in line.split())
        found |= {Path(word) for word in words if word.startswith("/") and not word.startswith(str(folder))}
    return {path for path in found if path.is_file() and not path.is_relative_to(sys.base_prefix)}


@contextlib.contextmanager
def storage() -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and the options that keep all images and containers in it; it is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="modelyard-container-", dir="/var/tmp"))
    try:
        yield folder, ["--root", f"{folder}/images", "--runroot", f"{folder}/run"]
    finally:
        subprocess.run(
            ["buildah", "--root", f"{folder}/images", "rm", "--all"], capture_output=True, check=False
        )
        subprocess.run(["umount", f"{folder}/images/overlay"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def build(folder: Path, options: list[str], base: str) -> None:
    """Build the image `modelyard`; the Python packages are downloaded before, so the build needs no network."""
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "-q"]
    own = [f"{ROOT}[postgres,s3]", ROOT / "server"]
    call(*pip, "wheel", "--wheel-dir", wheels, *own, "hatchling", inside=folder)
    settings = folder / "pip.conf"
    settings.write_text("[global]\nno-index = true\nfind-links = /wheels\n", encoding="utf-8")
    if not base:
        base = "localhost/modelyard-base"
        make_base(folder / "base")
        call("tar", "-C", folder / "base", "-cf", folder / "base.tar", ".")
        shutil.rmtree(folder / "base")
        call("podman", *options, "import", "-q", folder / "base.tar", base)
    call(
        *("buildah", *options, "bud", "-q", "--isolation", "chroot", "--pull=never"),
        *("--format", "docker", "--build-arg", f"BASE={base}", "-f", ROOT / "deploy" / "Containerfile"),
        *("-v", f"{wheels}:/wheels:ro", "-v", f"{settings}:/etc/pip.conf:ro", "-t", "modelyard", ROOT),
    )


def try_image(folder: Path, options: list[str]) -> None:
    """Run the image, register and pull a version, and stop it. Ends this program when anything is not as it should."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    podman = ["podman", *options, "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    name = "modelyard-try"
    data = folder / "data"
    data.mkdir(mode=0o700)
    shutil.chown(data, 10001, 10001)
    try:
        call(
            *(*podman, "run", "-d", "--name", name, "--read-only", "--tmpfs", TMP, "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", "--network", "host"),
            # Limits that need no further right, and a probe that is asked below: without systemd there is no timer for it.
            *(
                "--ulimit",
                f"nofile={files}:{files}",
                "--ulimit",
                "nproc=1024:1024",
                "--health-interval",
                "disable",
            ),
            *(
                "-e",
                "MODELYARD_HOST=127.0.0.1",
                "-e",
                f"MODELYARD_PORT={port}",
                "-v",
                f"{data}:/data",
                "modelyard",
            ),
        )
        wait_for(f"http://127.0.0.1:{port}/health", podman, name)

        def inside(*words: str) -> str:
            return call(*podman, "exec", name, *words)

        call(*podman, "healthcheck", "run", name)
        assert inside("id", "-u").strip() == "10001"
        touched = subprocess.run([*podman, "exec", name, "touch", "/usr/x"], capture_output=True, check=False)
        assert touched.returncode, "the root filesystem can be written"
        inside("sh", "-c", f"mkdir {TMP}/model && echo weights > {TMP}/model/model.bin")
        print(inside("modelyard", "push", f"{TMP}/model", "fraud/scorer").strip())
        inside("modelyard", "pull", "fraud/scorer:1", "--to", f"{TMP}/pulled")
        assert inside("cat", f"{TMP}/pulled/model.bin") == "weights\n"
        print("pulled: the same bytes")
        call(*podman, "stop", "-t", "45", name)
        code = call(*podman, "inspect", "-f", "{{.State.ExitCode}}", name).strip()
        assert code == "0", f"the server ended with {code}: {logs_of(podman, name)}"
        print("stopped with exit code 0")
    finally:
        subprocess.run([*podman, "rm", "-f", name], capture_output=True, check=False)


def wait_for(address: str, podman: list[str], name: str) -> None:
    """Wait until the server answers. Ends this program, with the server's log, when it does not."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
                print(f"{address} {answer.status}")
                return
        except OSError as error:
            runs = call(*podman, "inspect", "-f", "{{.State.Running}}", name).strip() == "true"
            if time.monotonic() > until or not runs:
                sys.exit(f"{address}: {error}\n{logs_of(podman, name)}")
        time.sleep(0.5)


def logs_of(podman: list[str], name: str) -> str:
    done = subprocess.run([*podman, "logs", name], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="", help="Base image. Default: one made of this machine's files.")
    wanted = parser.parse_args()
    missing = [name for name in ("buildah", "podman", "runc") if shutil.which(name) is None]
    if missing:
        sys.exit(f"Install {', '.join(missing)} first, for example with: apt-get install buildah podman runc")
    with storage() as (folder, options):
        build(folder, options, wanted.base)
        print("built")
        try_image(folder, options)


if __name__ == "__main__":
    main()
