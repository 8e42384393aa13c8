"""A second real S3 server for a slower job: Ceph's RADOS gateway over one monitor and one store in memory.

It comes from the system's packages: ceph-mon, ceph-osd, radosgw, ceph-common. All of it listens on loopback and
is gone with its bytes when the block ends.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.s3 import S3Server
from tests.support.services import ServiceMissing, child, free_ports, wait_for_port

_PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_MEMORY_BYTES = 4 << 30
_KEYS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "client.rgw": {"mon": "allow rwx", "osd": "allow rwx"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
}


@contextmanager
def running_ceph() -> Iterator[S3Server]:
    """A gateway without buckets. Raises ServiceMissing."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise ServiceMissing(f"no {', '.join(missing)}: install ceph-mon, ceph-osd, radosgw and ceph-common")
    folder = Path(tempfile.mkdtemp(prefix="my-ceph-"))
    try:
        with ExitStack() as children:
            yield _Cluster(folder).start(children)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Cluster:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keyring = folder / "keyring"
        self._id = str(uuid.uuid4())
        self._mon_port, self._old_mon_port, self._port = free_ports(3)
        self._environment = {**os.environ, "CEPH_CONF": str(folder / "ceph.conf")}

    def start(self, children: ExitStack) -> S3Server:
        for name in ("mon", "osd", "rgw", "run"):
            (self._folder / name).mkdir()
        self._configure()
        self._make_keys()
        addresses = f"[v2:127.0.0.1:{self._mon_port},v1:127.0.0.1:{self._old_mon_port}]"
        map_file = str(self._folder / "monmap")
        self._run("monmaptool", "--create", "--addv", "a", addresses, "--fsid", self._id, map_file)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", map_file, "--keyring", str(self._keyring))
        self._serve(children, self._mon_port, "ceph-mon", "-f", "-i", "a")
        osd = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd)
        self._run("ceph", "auth", "import", "-i", str(self._keyring))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._serve(children, None, "ceph-osd", "-f", "-i", "0")
        self._serve(children, self._port, "radosgw", "-f", "-n", "client.rgw", "--rgw-init-timeout", "60")
        key, secret = "testkey", "testsecret"
        account = ("--uid=test", "--display-name=test", f"--access-key={key}", f"--secret-key={secret}")
        self._run("radosgw-admin", "user", "create", *account)
        return S3Server(f"http://127.0.0.1:{self._port}", key, secret, tags_multiparts=False)

    def _configure(self) -> None:
        folder = self._folder
        settings = {
            "fsid": self._id,
            "mon host": f"[v2:127.0.0.1:{self._mon_port},v1:127.0.0.1:{self._old_mon_port}]",
            "public addr": "127.0.0.1",
            "cluster addr": "127.0.0.1",
            "auth cluster required": "cephx",
            "auth service required": "cephx",
            "auth client required": "cephx",
            "auth allow insecure global id reclaim": "false",
            "keyring": str(self._keyring),
            # One store holds the only copy of everything, and that is right for a test.
            "osd pool default size": "1",
            "osd pool default min size": "1",
            "osd pool default pg num": "4",
            "osd pool default pg autoscale mode": "off",
            "osd crush chooseleaf type": "0",
            "mon allow pool size one": "true",
            "mon warn on pool no redundancy": "false",
            "osd objectstore": "memstore",
            "memstore device bytes": str(_MEMORY_BYTES),
            # How full the disk of the machine is says nothing here.
            "mon data avail warn": "2",
            "mon data avail crit": "1",
            "mon data": str(folder / "mon"),
            "osd data": str(folder / "osd"),
            "osd class load list": "*",
            "osd class default list": "*",
            "rgw data": str(folder / "rgw"),
            "rgw frontends": f"beast endpoint=127.0.0.1:{self._port}",
            "run dir": str(folder / "run"),
            "admin socket": str(folder / "run" / "$cluster-$name.asok"),
            "log file": str(folder / "$name.log"),
        }
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_dict({"global": settings})
        with (folder / "ceph.conf").open("w") as file:
            parser.write(file)

    def _make_keys(self) -> None:
        create = ["--create-keyring"]
        for name, rights in _KEYS.items():
            caps = [word for service, right in rights.items() for word in ("--cap", service, right)]
            self._run("ceph-authtool", *create, str(self._keyring), "--gen-key", "-n", name, *caps)
            create = []

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise ServiceMissing(f"{' '.join(command)}: {done.stderr[-1500:]}")

    def _serve(self, children: ExitStack, port: int | None, *command: str) -> None:
        log = self._folder / f"{command[0]}.out"
        process = children.enter_context(child(list(command), log, env=self._environment))
        if port is not None:
            wait_for_port(port, process, log, seconds=90)
