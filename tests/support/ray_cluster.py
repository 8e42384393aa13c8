"""A Ray cluster of one node with a token, in a network and a process namespace of its own. Needs root, and Ray in the virtual
environment that `make engines` makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from tests.support.relay import between_networks

RAY = Path(__file__).parents[2] / "build/ray/bin/ray"
_PORT = 8265
_START_SECONDS = 180
_START = """\
ip link set lo up
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={token} RAY_USAGE_STATS_ENABLED=0 RAY_TMPDIR={folder}/ray
# It ends with any of its parts, and starts again then.
while true; do
  {ray} start --head --block --node-ip-address 127.0.0.1 --dashboard-host 127.0.0.1 --dashboard-port {port} \
    --num-cpus 2 --disable-usage-stats --include-dashboard true --temp-dir {temp} || sleep 1
done
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
    """address: of the dashboard, through a relay into the cluster's network. pid: of its first process."""

    def __init__(
        self, address: str, token_file: Path, process: subprocess.Popen[bytes], pid: int, log: Path
    ) -> None:
        self.address, self.token_file, self.pid = address, token_file, pid
        self._process, self._log = process, log

    def heal(self) -> None:
        """Do nothing: a Ray that has started again takes jobs."""

    def restart(self, program: str) -> None:
        """Wait until the cluster, of which a part has ended, has ended with all of its parts and answers again."""
        end = time.monotonic() + _START_SECONDS
        while self._answers():
            assert time.monotonic() < end, f"Ray goes on without its {program}"
            time.sleep(0.2)
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.2)
        raise AssertionError(
            "the Ray cluster does not start:\n" + self._log.read_text(errors="replace")[-3000:]
        )

    def _answers(self) -> bool:
        http = urllib3.PoolManager(retries=False, timeout=5.0)
        headers = {"Authorization": f"Bearer {self.token_file.read_text()}"}
        try:
            return http.request("GET", f"{self.address}/api/jobs/", headers=headers).status == 200
        except urllib3.exceptions.HTTPError:
            return False


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
            found = Cluster(f"http://127.0.0.1:{port}", token, process, pid, log)
            found.wait_until_it_answers()
            yield found
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
