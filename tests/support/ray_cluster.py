"""A Ray cluster of one node with a token, in a network and a process namespace of its own. Needs root, and Ray in the virtual
environment that `make engines` makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import urllib3

from tests.support.relay import between_networks

RAY = Path(__file__).parents[2] / "build/ray/bin/ray"
_PORT = 8265
_START_SECONDS = 180
_START = """\
set -e
ip link set lo up
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={token} RAY_USAGE_STATS_ENABLED=0 RAY_TMPDIR={folder}/ray
exec {ray} start --head --block --node-ip-address 127.0.0.1 --dashboard-host 127.0.0.1 --dashboard-port {port} \
  --num-cpus 2 --disable-usage-stats --include-dashboard true --temp-dir {temp}
"""


def lacking() -> str:
    """Return why no cluster can be started here; "": one can."""
    if os.environ.get("MODELYARD_ENGINES") != "all":
        return "it takes half a minute; run make engines"
    if not RAY.exists():
        return f"{RAY} does not exist"
    absent = [name for name in ("unshare", "nsenter", "ip") if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed"
    return "" if os.geteuid() == 0 else "only root may make namespaces"


class Cluster:
    """address: of the dashboard, through a relay into the cluster's network."""

    def __init__(self, address: str, token_file: Path, pid: int) -> None:
        self.address, self.token_file, self.pid = address, token_file, pid


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.write_text("a-token-of-the-test-cluster-" + "0" * 20)
    token.chmod(0o600)
    # The paths of its sockets must be short.
    temp = Path("/tmp") / f"ray{os.getpid()}"
    (folder / "ray").mkdir()
    start = _START.format(token=token, folder=folder, ray=RAY, port=_PORT, temp=temp)
    log = folder / "start.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", start],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        pid = _first_process(process)
        with between_networks(_PORT, connect_in=pid) as port:
            address = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(address, token, process, log)
            yield Cluster(address, token, pid)
    finally:
        # unshare ignores SIGTERM.
        process.kill()
        process.wait()
        shutil.rmtree(temp, ignore_errors=True)


def _first_process(process: subprocess.Popen[bytes]) -> int:
    while True:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.01)


def _wait_until_it_answers(address: str, token: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    http = urllib3.PoolManager(retries=False, timeout=5.0)
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(Exception):
            headers = {"Authorization": f"Bearer {token.read_text()}"}
            if http.request("GET", f"{address}/api/jobs/", headers=headers).status == 200:
                return
        time.sleep(0.2)
    raise AssertionError("the Ray cluster does not start:\n" + log.read_text(errors="replace")[-3000:])
