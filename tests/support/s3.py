"""A real S3-compatible server for tests and benchmarks: OpenStack Swift with its s3api, from pip alone.

One proxy and one server each for accounts, containers and objects, over one folder; all on loopback.
The proxy keeps its cache in its own memory (`tests.support.swift_cache`), so that no memcached is needed.
"""

from __future__ import annotations

import configparser
import getpass
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.support.services import ServiceMissing, child, free_ports, wait_for_port
from tests.support.swift_cache import MemoryCache

OVERRIDE = "MODELYARD_TEST_S3_ENDPOINT"
SERVER = "MODELYARD_TEST_S3"
_ACCOUNT, _USER, _KEY, _REGION = "test", "tester", "testing", "us-east-1"
_BACKENDS = ("account", "container", "object")

# The order that Swift's sample configuration gives for s3api: each filter needs what comes after it.
_PIPELINE = (
    "catch_errors gatekeeper healthcheck cache listing_formats bulk etag-quoter s3api tempauth copy slo dlo "
    "versioned_writes symlink proxy-server"
)
_FILTER_SETTINGS = {
    "tempauth": {f"user_{_ACCOUNT}_{_USER}": f"{_KEY} .admin"},
    "s3api": {"s3_acl": "no", "check_bucket_owner": "no", "location": _REGION},
    "versioned_writes": {"allow_object_versioning": "true"},
}
_ROOT = Path(__file__).resolve().parents[2]
_RING_MAKER = """
import sys
from swift.common.ring import RingBuilder
for ring in sys.argv[1:]:
    path, port = ring.split(",")
    builder = RingBuilder(part_power=2, replicas=1, min_part_hours=1)
    builder.add_dev(dict(region=1, zone=1, ip="127.0.0.1", port=int(port), device="d1", weight=1))
    builder.rebalance(seed=1)
    builder.get_ring().save(path)
"""


@dataclass
class S3Server:
    """Where a server answers and how requests to it are signed."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region: str = _REGION
    is_swift: bool = False
    tags_multiparts: bool = True
    """Whether the answer to a completed multipart upload carries the e-tag, as S3's does."""
    _swift_token: str = field(default="", repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables that clients read their credentials from."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": self.region,
        }

    def url(self, bucket: str, prefix: str = "") -> str:
        """As `open_store` takes it; the credentials come from `environment`."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region={self.region}"

    def make_bucket(self) -> str:
        """A new, empty bucket's name."""
        import obstore
        from obstore.store import S3Store

        # With "virtual hosts" the client leaves the bucket out of the path, so that a key can name it.
        service = S3Store(
            "bucket-in-the-key",
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            virtual_hosted_style_request=True,
            client_options={"allow_http": True},
        )
        name = f"t-{uuid.uuid4().hex[:20]}"
        url = obstore.sign(service, "PUT", name, timedelta(minutes=1))
        urllib.request.urlopen(urllib.request.Request(url, data=b"", method="PUT"), timeout=30).close()
        return name

    def unfinished_uploads(self, bucket: str) -> list[str]:
        """Multipart uploads that were neither completed nor aborted; only our own Swift is asked."""
        # Swift keeps <key>/<upload id> while an upload is open, and <key>/<upload id>/<number> for each part.
        return [
            name for name in self._swift_list(f"{bucket}+segments") if not name.rpartition("/")[2].isdigit()
        ]

    def _swift_list(self, container: str) -> list[str]:
        if not self.is_swift:
            return []
        if not self._swift_token:
            sign_in = urllib.request.Request(
                f"{self.endpoint}/auth/v1.0",
                headers={"X-Auth-User": f"{_ACCOUNT}:{_USER}", "X-Auth-Key": _KEY},
            )
            with urllib.request.urlopen(sign_in, timeout=10) as answer:
                self._swift_token = answer.headers["X-Auth-Token"]
        request = urllib.request.Request(
            f"{self.endpoint}/v1/AUTH_{_ACCOUNT}/{container}", headers={"X-Auth-Token": self._swift_token}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read().decode().split()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """A server without buckets; gone with all its bytes when the block ends.

    MODELYARD_TEST_S3=ceph takes Ceph instead of Swift. MODELYARD_TEST_S3_ENDPOINT names a server that runs
    already, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION next to it; the buckets made there
    stay. Raises ServiceMissing.
    """
    given = os.environ.get(OVERRIDE)
    if given:
        key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        yield S3Server(given.rstrip("/"), key, secret, os.environ.get("AWS_REGION", _REGION))
        return
    if os.environ.get(SERVER) == "ceph":
        from tests.support.ceph import running_ceph

        with running_ceph() as server:
            yield server
        return
    for package in ("swift", "obstore"):
        if importlib.util.find_spec(package) is None:
            raise ServiceMissing(f"no S3 server: pip install {package}, or set {OVERRIDE}")
    if sys.platform == "win32":
        raise ServiceMissing(f"Swift does not run on Windows; set {OVERRIDE}")
    folder = Path(tempfile.mkdtemp(prefix="my-s3-"))
    try:
        with ExitStack() as children:
            yield _start(folder, children)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, children: ExitStack) -> S3Server:
    proxy_port, *backend_ports = free_ports(1 + len(_BACKENDS))
    ports = dict(zip(_BACKENDS, backend_ports, strict=True))
    _write_configuration(folder, proxy_port, ports)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    waiting = []
    for name, port in {**ports, "proxy": proxy_port}.items():
        log = folder / f"{name}.log"
        command = [_program(f"swift-{name}-server"), str(folder / f"{name}.conf")]
        waiting.append((port, children.enter_context(child(command, log, env=environment)), log))
    for port, process, log in waiting:
        wait_for_port(port, process, log)
    return S3Server(f"http://127.0.0.1:{proxy_port}", f"{_ACCOUNT}:{_USER}", _KEY, is_swift=True)


def _write_configuration(folder: Path, proxy_port: int, ports: dict[str, int]) -> None:
    (folder / "devices" / "d1").mkdir(parents=True)
    _write(
        folder / "swift.conf",
        {
            "swift-hash": {"swift_hash_path_suffix": "test", "swift_hash_path_prefix": "test"},
            "storage-policy:0": {"name": "one", "default": "yes"},
        },
    )

    def common(port: int) -> dict[str, str]:
        return {
            "bind_ip": "127.0.0.1",
            "bind_port": str(port),
            "workers": "0",
            "user": getpass.getuser(),
            "swift_dir": str(folder),
            "devices": str(folder / "devices"),
            "mount_check": "false",
            "log_level": "WARNING",
        }

    _make_rings(folder, ports)
    for name, port in ports.items():
        _write(
            folder / f"{name}.conf",
            {
                "DEFAULT": common(port),
                "pipeline:main": {"pipeline": f"{name}-server"},
                f"app:{name}-server": {"use": f"egg:swift#{name}"},
            },
        )
    proxy = {
        "DEFAULT": common(proxy_port),
        "pipeline:main": {"pipeline": _PIPELINE},
        "app:proxy-server": {
            "use": "egg:swift#proxy",
            "account_autocreate": "true",
            "allow_account_management": "true",
        },
    }
    for name in _PIPELINE.split()[:-1]:
        egg = f"egg:swift#{name.replace('-', '_')}"
        proxy[f"filter:{name}"] = {"use": egg, **_FILTER_SETTINGS.get(name, {})}
    proxy["filter:cache"] = {"paste.filter_factory": f"{MemoryCache.__module__}:filter_factory"}
    _write(folder / "proxy.conf", proxy)


def _make_rings(folder: Path, ports: dict[str, int]) -> None:
    """Where Swift looks for a thing: here always on the one device of one of the servers."""
    # In a process of its own, as importing Swift changes how the interpreter does input and output.
    rings = [f"{folder / name}.ring.gz,{port}" for name, port in ports.items()]
    made = subprocess.run([sys.executable, "-c", _RING_MAKER, *rings], capture_output=True, text=True)
    if made.returncode != 0:
        raise ServiceMissing(f"Swift cannot make its rings: {made.stderr[-1500:]}")


def _program(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ServiceMissing(f"no {name}: pip install swift, or set {OVERRIDE}")
    return found


def _write(path: Path, sections: dict[str, dict[str, str]]) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(sections)
    with path.open("w") as file:
        parser.write(file)
