"""A Slurm cluster of one node, in a network and a process namespace of its own. Needs root and the packages slurm-wlm, munge."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "scontrol", "scancel")
PROGRAMS = (*COMMANDS, "slurmctld", "slurmd", "munged", "unshare", "nsenter", "ip")
_SEARCH = f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin:/bin:/sbin"
_START_SECONDS = 60
_CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmctldTimeout=30
SlurmdTimeout=9
DefMemPerCPU=100
KillWait={kill_wait}
MessageTimeout=2
ReturnToService=2
NodeName=node NodeAddr=127.0.0.1 NodeHostname={host} CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP
"""
_START = """\
set -e
ip link set lo up
ip addr add 10.99.0.1/32 dev lo
export SLURM_CONF={folder}/slurm.conf
munged --force --key-file={folder}/munge.key --socket={folder}/munge.socket --pid-file={folder}/munge.pid \
  --log-file={folder}/munged.log --seed-file={folder}/munge.seed
slurmctld
slurmd -N node
touch {folder}/started
exec sleep infinity
"""


def lacking() -> str:
    """Return why no cluster can be started here; "": one can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_SEARCH) is None]
    if absent:
        return f"{', '.join(absent)} not installed"
    if os.geteuid() != 0:
        return "only root may make namespaces"
    tried = subprocess.run(["unshare", "--net", "--pid", "--fork", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "namespaces are not allowed"


class Cluster:
    """programs: folder of Slurm's commands, which reach this cluster. pid: of its first process."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], pid: int) -> None:
        self.folder, self.programs, self._process, self.pid = folder, folder / "programs", process, pid

    def inside(self, *command: str) -> list[str]:
        """Return a command that runs in the cluster's network."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]

    def call(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [str(self.programs / program), *words], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def heal(self) -> None:
        """Let the node take jobs again, as an administrator would: a controller that was killed may give the id of a job a second
        time, and sets the node aside for that."""
        state = self.call("scontrol", "--oneliner", "show", "node", "node")
        if "DRAIN" in state or "State=DOWN" in state:
            self.call("scontrol", "update", "nodename=node", "state=resume")

    def stop_controller(self) -> None:
        self.call("scontrol", "shutdown", "slurmctld")

    def start_controller(self) -> None:
        self.restart("slurmctld")

    def restart(self, program: str) -> None:
        """Start `slurmctld` or `slurmd` again, which has ended."""
        words = {"slurmctld": [], "slurmd": ["-N", "node"]}[program]
        path = shutil.which(program, path=_SEARCH) or program
        environment = {**os.environ, "PATH": _SEARCH, "SLURM_CONF": str(self.folder / "slurm.conf")}
        # In all namespaces, so that it ends with the cluster.
        command = ["nsenter", "-t", str(self.pid), "--net", "--pid", "--mount", "--", path, *words]
        subprocess.run(command, env=environment, capture_output=True, check=True)


@contextmanager
def cluster(folder: Path, kill_wait_seconds: int = 2) -> Iterator[Cluster]:
    for name in ("state", "spool", "programs"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    conf = _CONF.format(folder=folder, kill_wait=kill_wait_seconds, host=os.uname().nodename.split(".")[0])
    (folder / "slurm.conf").write_text(conf)
    start = _START.format(folder=folder)
    environment = {"PATH": _SEARCH, "HOME": str(folder), "LANG": "C.UTF-8"}
    with (folder / "start.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", start],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        pid = _first_process(process, folder)
        found = Cluster(folder, process, pid)
        for name in COMMANDS:
            real = shutil.which(name, path=_SEARCH)
            script = found.programs / name
            script.write_text(
                f"#!/bin/sh\nexport SLURM_CONF={folder}/slurm.conf\n"
                f'exec nsenter --net=/proc/{pid}/ns/net -- {real} "$@"\n'
            )
            script.chmod(0o755)
        _wait(folder, process, lambda: "idle" in found.call("scontrol", "show", "node", "node").lower())
        yield found
    finally:
        # unshare ignores SIGTERM.
        process.kill()
        process.wait()


def _first_process(process: subprocess.Popen[bytes], folder: Path) -> int:
    _wait(folder, process, (folder / "started").exists)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def _wait(folder: Path, process: subprocess.Popen[bytes], condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + _START_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            logs = [path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log")]
            raise AssertionError("the Slurm cluster does not start:\n" + "\n".join(logs))
        time.sleep(0.05)
