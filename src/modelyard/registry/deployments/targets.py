"""The targets of this server: what runs its deployments."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from modelyard.domain.errors import Conflict
from modelyard.engines.local_target import COMMAND, LocalTarget
from modelyard.engines.targets import Target

LOCAL = "local"


class Targets:
    """url: where the programs of deployments reach this server. unisolated: whether packages of versions may run where nothing keeps
    them apart. The first target is the default one."""

    def __init__(self, targets: Sequence[Target], url: str, *, unisolated: bool = False) -> None:
        self._by_kind = {target.kind: target for target in targets}
        self.url, self.unisolated = url, unisolated

    def find(self, kind: str) -> Target | None:
        return self._by_kind.get(kind)

    @property
    def default(self) -> str:
        """Return the word for the default target. Raises Conflict if there is none."""
        for kind in self._by_kind:
            return kind
        raise Conflict(
            reason="this server runs no deployments",
            fix="Ask its operator to set local_deployments to on",
        )


def open_targets(data: Path, *, local: bool, url: str, command: str = "", unisolated: bool = False) -> Targets:
    """Return the targets of a server. data: its data folder. local: whether deployments run on this machine. command: of their
    program, as for a shell; "": that of this release. unisolated: see Targets."""
    words = shlex.split(command) or COMMAND
    local_targets = [LocalTarget(data / "deployments", command=words)] if local else []
    return Targets(local_targets, url, unisolated=unisolated)
