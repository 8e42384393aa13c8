"""Make the image of a version, export its deployment, run the manifest and predict through it: `make served-image`.

Nothing is pulled: the base image is made of this machine's files as in tools/container.py, and pip downloads the packages before. The
pod runs by `podman kube play` with what the export says, except that probes are left out (podman needs timers of systemd for them) and
asked here, that it has the network of this machine, and that the registry's token comes from a Secret that this program makes. Needs root, buildah, podman and crun.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from container import ROOT, call, make_base, storage, wait_for

TRAIN = """
import numpy as np, modelyard as my
from sklearn.linear_model import LogisticRegression
rows = np.random.default_rng(1).uniform(size=(40, 2))
model = LogisticRegression().fit(rows, rows[:, 0] > 0.5)
my.push(model, "fraud/scorer", example=rows[:2])
print(model.predict([[0.9, 0.1], [0.1, 0.9]]).tolist())
"""
ROWS = [[0.9, 0.1], [0.1, 0.9]]
BASE = "localhost/modelyard-base"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def make_image(folder: Path, my: list[str]) -> str:
    """Build the image of the version by `modelyard image build` and record it by the digest of its manifest. Returns that."""
    pip = [sys.executable, "-m", "pip", "-q"]
    call(*my, "image", "build", "fraud/scorer:1", "--builder", "none", "--to", folder / "look")
    wheels = folder / "wheels"
    (wheel,) = (folder / "look").glob("*.whl")
    call(*pip, "wheel", "--wheel-dir", wheels, "--no-deps", "-r", folder / "look" / "requirements.txt")
    call(*pip, "wheel", "--wheel-dir", wheels, f"{wheel}[scorer]")
    settings = folder / "pip.conf"
    settings.write_text("[global]\nno-index = true\nfind-links = /wheels\n", encoding="utf-8")
    make_base(folder / "base")
    # As in official images of Python.
    call("chroot", folder / "base", "/usr/local/bin/python", "-m", "ensurepip")
    call("tar", "-C", folder / "base", "-cf", folder / "base.tar", ".")
    shutil.rmtree(folder / "base")
    call("podman", "import", "-q", folder / "base.tar", BASE)
    words = ["--isolation=chroot", "--pull=never", f"--build-arg=BASE={BASE}"]
    words += ["-v", f"{wheels}:/wheels:ro", "-v", f"{settings}:/etc/pip.conf:ro"]
    options = [f"--option={word}" for word in words]
    tag = "localhost/scorer:1"
    call(
        *my,
        "image",
        "build",
        "fraud/scorer:1",
        "--builder",
        "buildah",
        "--tag",
        tag,
        "--to",
        folder / "context",
        *options,
    )
    digest = call("podman", "image", "inspect", "-f", "{{.Digest}}", tag).strip()
    call(*my, "image", "record", "fraud/scorer:1", digest, "--at", tag)
    return digest


def play(folder: Path, my: list[str], home: Path) -> None:
    """Run the exported manifest and predict through it."""
    call(*my, "deployment", "export", "fraud/scorer", "--as", "kubernetes", "--out", folder / "export")
    objects = [*yaml.safe_load_all((folder / "export" / "deployment.yaml").read_text())]
    pods = objects[1]["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        del container[probe]
    # It has the network of this machine.
    del container["ports"]
    token = call(*my, "token", "create", "scorer", "--namespace", "fraud").strip()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": pods["volumes"][1]["secret"]["secretName"]},
        "data": {"token": base64.b64encode(token.encode()).decode()},
    }
    manifest = folder / "play.yaml"
    manifest.write_text(yaml.safe_dump_all([secret, *objects]))
    podman = ["podman", "--runtime", "crun", "--cgroup-manager", "cgroupfs"]
    call(*podman, "kube", "play", "--network", "host", manifest)
    name = call(*podman, "ps", "-a", "--format", "{{.Names}}").split()
    (own,) = [each for each in name if each.endswith("-scorer")]
    try:
        wait_for("http://127.0.0.1:8080/v2/health/ready", podman, own)
        asked = urllib.request.Request(
            "http://127.0.0.1:8080/predict",
            json.dumps(ROWS).encode(),
            {"Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
            found = json.loads(answer.read())
        assert found["predictions"] == [True, False], found
        assert found["model"] == "fraud/scorer:1"
        print(f"predicted through the pod: {found['predictions']}")
        assert call(*podman, "exec", own, "id", "-u").strip() == "10001"
        touched = subprocess.run([*podman, "exec", own, "touch", "/usr/x"], capture_output=True, check=False)
        assert touched.returncode, "the root filesystem can be written"
        call(*podman, "stop", "-t", "45", own)
        code = call(*podman, "inspect", "-f", "{{.State.ExitCode}}", own).strip()
        assert code == "0", f"the scorer ended with {code}"
        print("stopped with exit code 0")
    finally:
        subprocess.run([*podman, "kube", "down", manifest], capture_output=True, check=False)


def main() -> None:
    missing = [name for name in ("buildah", "podman", "crun") if shutil.which(name) is None]
    if missing:
        sys.exit(f"Install {', '.join(missing)} first, for example with: apt-get install buildah podman crun")
    if os.environ.get("MODELYARD_OWN_MOUNTS") != "1":
        # crun takes a machine with a unified hierarchy of cgroups next to the others for one that has only that.
        script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
        os.environ["MODELYARD_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, *sys.argv])  # noqa: S606 - nothing to quote
    with storage() as (folder, _):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'
        )
        (folder / "containers.conf").write_text(
            f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=1024:1024"]\n'
        )
        os.environ |= {
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
        }
        serve_and_play(folder)


def serve_and_play(folder: Path) -> None:
    client = folder / "client"
    call(sys.executable, "-m", "venv", client)
    call(client / "bin" / "pip", "install", "-q", f"{ROOT}[sklearn]")
    port, home = free_port(), folder / "home"
    os.environ |= {
        "MODELYARD_URL": f"http://127.0.0.1:{port}",
        "MODELYARD_HOME": str(home),
        "MODELYARD_SCORER_COMMAND": "true",
    }
    my = [str(client / "bin" / "modelyard")]
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "modelyard", "serve", "--data", folder / "data", "--port", str(port)],
        stdout=log,
        stderr=log,
        cwd=folder,
    )
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        print("trained:", call(client / "bin" / "python", "-c", TRAIN).strip())
        call(*my, "promote", "fraud/scorer:1", "production")
        call(*my, "deploy", "fraud/scorer@production")
        print(f"built {make_image(folder, my)}")
        play(folder, my, home)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


if __name__ == "__main__":
    main()
