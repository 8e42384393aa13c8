"""The targets of this server: what runs its deployments."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from modelyard.domain.errors import Conflict, Invalid
from modelyard.engines.kubernetes import IN_CLUSTER_ADDRESS, IN_CLUSTER_CA, IN_CLUSTER_TOKEN
from modelyard.engines.kubernetes_target import KubernetesTarget
from modelyard.engines.local_target import COMMAND, LocalTarget
from modelyard.engines.manifests import PodOptions
from modelyard.engines.targets import Target

LOCAL = "local"


class Targets:
    """url: where the programs of deployments on this machine reach this server. public_url: where others do. urls: where those of a
    target do, by its name. unisolated: whether packages of versions may run where nothing keeps them apart. The first target is the default one."""

    def __init__(
        self,
        targets: Sequence[Target],
        url: str,
        public_url: str = "",
        urls: Mapping[str, str] = MappingProxyType({}),
        *,
        unisolated: bool = False,
    ) -> None:
        self._by_name = {target.name: target for target in targets}
        self._url, self._urls = url, urls
        self.public_url = public_url or url
        self.unisolated = unisolated

    def find(self, name: str) -> Target | None:
        return self._by_name.get(name)

    def url_for(self, name: str) -> str:
        return self._urls.get(name, self._url)

    @property
    def names(self) -> list[str]:
        return [*self._by_name]

    @property
    def default(self) -> str:
        """Return the name of the default target. Raises Conflict if there is none."""
        for name in self._by_name:
            return name
        raise Conflict(
            reason="this server runs no deployments",
            fix="Ask its operator to set local_deployments to on, or deployment_targets",
        )


def open_targets(
    data: Path,
    *,
    local: bool,
    url: str,
    command: str = "",
    file: str = "",
    public_url: str = "",
    unisolated: bool = False,
) -> Targets:
    """Return the targets of a server. data: its data folder. local: whether deployments run on this machine. command: of their
    program, as for a shell; "": that of this release. file: of clusters; "": none. unisolated: see Targets. Raises Invalid."""
    words = shlex.split(command) or COMMAND
    clusters = read_targets(file, public_url) if file else {}
    here = [LocalTarget(data / "deployments", command=words)] if local else []
    return Targets(
        [*here, *(target for target, _ in clusters.values())],
        url,
        public_url,
        {name: address for name, (_, address) in clusters.items()},
        unisolated=unisolated,
    )


# --- clusters --------------------------------------------------------------------------------------------

Text = Annotated[str, msgspec.Meta(max_length=1000)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_Label = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]


class KubernetesCluster(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="kubernetes"
):
    """namespace: of the pods. address, token_file, ca_file: of its API; if omitted, those that a server inside the cluster finds.
    url: where its pods reach this server; if omitted, public_url. prefix: of the names of all objects; registries that share a
    namespace need different ones. cpu, memory, memory_limit: of a pod. pull_secret: of the registry of images."""

    namespace: _Label = "default"
    address: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/]+/?$")] = IN_CLUSTER_ADDRESS
    token_file: Text = IN_CLUSTER_TOKEN
    ca_file: Text = IN_CLUSTER_CA
    url: Text = ""
    prefix: _Label = "modelyard"
    cpu: Text = "250m"
    memory: Text = "512Mi"
    memory_limit: Text = "2Gi"
    pull_secret: Text = ""
    node_selector: dict[Text, Text] = {}


class TargetsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that the setting deployment_targets names: a table `[targets.NAME]` for each cluster."""

    targets: dict[Word, KubernetesCluster]


def read_targets(file: str, public_url: str) -> dict[str, tuple[Target, str]]:
    """Return the targets of a file by name, each with the address at which its pods reach this server. Raises Invalid, naming the
    file and the fault."""
    try:
        found = msgspec.convert(tomllib.loads(Path(file).read_text(encoding="utf-8")), TargetsFile)
        return {name: _open(name, cluster, public_url) for name, cluster in found.targets.items()}
    except (OSError, ValueError) as exc:
        # TOML faults, wrong types and undecodable text are all ValueErrors.
        raise Invalid(reason=f"deployment_targets {file}: {exc}", fix="Correct the file") from exc


def _open(name: str, cluster: KubernetesCluster, public_url: str) -> tuple[Target, str]:
    """Raises ValueError."""
    url = (cluster.url or public_url).rstrip("/")
    if name == LOCAL:
        raise ValueError(f"the target {LOCAL} is this machine; choose another name")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(
            f"target {name}: its pods must know where this server is; set public_url, or url in the target"
        )
    options = PodOptions(
        cluster.cpu, cluster.memory, cluster.memory_limit, cluster.pull_secret, cluster.node_selector
    )
    target = KubernetesTarget(
        name,
        address=cluster.address,
        token_file=cluster.token_file,
        ca_file=cluster.ca_file,
        namespace=cluster.namespace,
        prefix=cluster.prefix,
        options=options,
    )
    return target, url
