"""Pools: executors with their limits, and who may use them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from modelyard.domain.actor import Actor
from modelyard.domain.errors import Invalid
from modelyard.engines import kubernetes
from modelyard.engines.cluster import DEFAULT_COMMAND, DEFAULT_FOLDER
from modelyard.engines.executor import Executor
from modelyard.engines.local import LocalExecutor
from modelyard.engines.ray import RayExecutor
from modelyard.engines.slurm import SlurmExecutor
from modelyard.registry.builds.recipe import Priority, Word

LOCAL = "local"
ADMINS, CONTRIBUTORS, OFF = "admins", "contributors", "off"
WHO = (ADMINS, CONTRIBUTORS, OFF)


class Pool(msgspec.Struct, frozen=True):
    """slots: builds that run at once. builds: whose may run here: admins, contributors or off. setting: where that is set. url:
    where its agents reach the server. network: whose recipes may ask for the network, likewise. priority: of builds that name
    none."""

    name: str
    executor: Executor
    slots: int
    builds: str
    setting: str
    url: str
    network: str = CONTRIBUTORS
    priority: Priority = "normal"

    @property
    def note(self) -> str:
        words = {
            ADMINS: f"Only builds of admins run here ({self.setting})",
            CONTRIBUTORS: f"Builds of all contributors run here ({self.setting})",
            OFF: f"No builds run here ({self.setting})",
        }
        return ". ".join(part for part in (words[self.builds], self.executor.note) if part)


class Pools:
    """The pools of this server, the default one first."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self._by_name = {pool.name: pool for pool in pools}

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._by_name.values())

    def find(self, name: str) -> Pool | None:
        return self._by_name.get(name)

    @property
    def names(self) -> list[str]:
        return [*self._by_name]

    @property
    def default(self) -> str:
        """Return the first pool that takes builds."""
        return next((pool.name for pool in self if pool.builds != OFF), LOCAL)

    def may_run(self, actor: Actor, name: str) -> bool:
        """Return whether code of the account may run in a pool; in one that is no longer there, nothing may."""
        pool = self.find(name)
        return pool is not None and may_use(actor, pool.builds)


def may_use(actor: Actor, who: str) -> bool:
    """Return whether a setting of WHO includes the account."""
    return who == CONTRIBUTORS or (actor.is_admin and who != OFF)


# --- clusters --------------------------------------------------------------------------------------------

Text = Annotated[str, msgspec.Meta(max_length=1000)]


class _Cluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every cluster has. slots: builds that are submitted at once. builds: whose: admins, contributors or off. priority: of
    builds that name none. url: where
    its nodes reach this server; if omitted, public_url. command: that starts the agent on a node, for the shell. folder: on the
    nodes, in which builds work."""

    slots: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 8
    builds: Literal["admins", "contributors", "off"] = "admins"
    priority: Priority = "normal"
    url: Text = ""
    command: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)] = DEFAULT_COMMAND
    folder: Annotated[str, msgspec.Meta(pattern=r"^(~/|/)[^\n\x00]+$", max_length=1000)] = DEFAULT_FOLDER


class SlurmCluster(_Cluster, frozen=True, kw_only=True, tag="slurm"):
    """partition: if omitted, the cluster's own default. options: more words for `sbatch`. memory: whether to ask for the memory of
    the recipe. programs: folder of Slurm's commands; if omitted, the usual places."""

    partition: Text = ""
    options: Annotated[list[Text], msgspec.Meta(max_length=100)] = []
    memory: bool = True
    programs: Text = ""


class RayCluster(_Cluster, frozen=True, kw_only=True, tag="ray"):
    """address: of the dashboard, such as `http://head:8265`. token_file: file with the cluster's token."""

    address: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/]+/?$")]
    token_file: Text = ""


class KubernetesCluster(_Cluster, frozen=True, kw_only=True, tag="kubernetes"):
    """image: with Python and the client. namespace: of the jobs. address, token_file, ca_file: of its API; if omitted, those that a
    server inside the cluster finds. node_selector: labels of the nodes. environments_claim: volume claim for Python environments
    that later builds reuse."""

    image: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    namespace: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "default"
    address: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/]+/?$")] = kubernetes.IN_CLUSTER_ADDRESS
    token_file: Text = kubernetes.IN_CLUSTER_TOKEN
    ca_file: Text = kubernetes.IN_CLUSTER_CA
    node_selector: dict[Text, Text] = {}
    gpu_resource: Text = "nvidia.com/gpu"
    environments_claim: Text = ""
    user: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 1000
    folder: Annotated[str, msgspec.Meta(pattern=r"^/[^\n\x00]+$", max_length=1000)] = kubernetes.DEFAULT_FOLDER


class ClustersFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that the setting build_pools names: a table `[pools.NAME]` for each cluster."""

    pools: dict[Word, SlurmCluster | RayCluster | KubernetesCluster]


def read_clusters(file: str, public_url: str) -> list[Pool]:
    """Return the pools of a file of clusters. Raises Invalid, naming the file and the fault."""
    try:
        found = msgspec.convert(tomllib.loads(Path(file).read_text(encoding="utf-8")), ClustersFile)
        return [_open_cluster(name, cluster, public_url) for name, cluster in found.pools.items()]
    except (OSError, ValueError) as exc:
        # TOML faults, wrong types and undecodable text are all ValueErrors.
        raise Invalid(reason=f"build_pools {file}: {exc}", fix="Correct the file") from exc


def _open_cluster(name: str, cluster: SlurmCluster | RayCluster | KubernetesCluster, public_url: str) -> Pool:
    """Raises ValueError."""
    url = (cluster.url or public_url).rstrip("/")
    if name == LOCAL:
        raise ValueError(f"the pool {LOCAL} is this machine; choose another name")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(
            f"pool {name}: its nodes must know where this server is; set public_url, or url in the pool"
        )
    executor: Executor
    if isinstance(cluster, SlurmCluster):
        executor = SlurmExecutor(
            name,
            partition=cluster.partition,
            options=cluster.options,
            command=cluster.command,
            folder=cluster.folder,
            memory=cluster.memory,
            programs=cluster.programs,
        )
    elif isinstance(cluster, RayCluster):
        executor = RayExecutor(
            name,
            cluster.address,
            token_file=cluster.token_file,
            command=cluster.command,
            folder=cluster.folder,
        )
    else:
        executor = kubernetes.KubernetesExecutor(
            name,
            cluster.image,
            address=cluster.address,
            token_file=cluster.token_file,
            ca_file=cluster.ca_file,
            namespace=cluster.namespace,
            command=cluster.command,
            folder=cluster.folder,
            node_selector=cluster.node_selector,
            gpu_resource=cluster.gpu_resource,
            environments_claim=cluster.environments_claim,
            user=cluster.user,
        )
    setting = f"builds of [pools.{name}] in build_pools"
    return Pool(name, executor, cluster.slots, cluster.builds, setting, url, priority=cluster.priority)


def open_pools(
    data: Path,
    folder: Path | None,
    *,
    slots: int,
    local_builds: str,
    local_network: str,
    url: str,
    clusters: Sequence[Pool] = (),
) -> Pools:
    """Return the pools of a server. data: its data folder, which no build sees where isolation works. folder: of the
    workspaces; None: in the data folder. url: where agents on this machine reach it."""
    executor = LocalExecutor(folder or data / "builds", hidden=[data])
    local = Pool(LOCAL, executor, slots, local_builds, "setting local_builds", url, local_network)
    return Pools([local, *clusters])
