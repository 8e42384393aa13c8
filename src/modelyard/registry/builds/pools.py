"""Pools: executors with their limits, and who may use them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from modelyard.domain.actor import Actor
from modelyard.engines.executor import Executor
from modelyard.engines.local import LocalExecutor

LOCAL = "local"


class Pool(msgspec.Struct, frozen=True):
    """slots: builds that run at once."""

    name: str
    executor: Executor
    slots: int


class Pools:
    """The pools of this server. local_builds: admins, contributors or off. url: where agents on this machine reach it."""

    def __init__(self, pools: Sequence[Pool], *, local_builds: str, url: str) -> None:
        self._by_name = {pool.name: pool for pool in pools}
        self.local_builds = local_builds
        self.url = url

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._by_name.values())

    def find(self, name: str) -> Pool | None:
        return self._by_name.get(name)

    @property
    def names(self) -> list[str]:
        return [*self._by_name]

    @property
    def default(self) -> str:
        return LOCAL

    def may_run(self, actor: Actor) -> bool:
        """Return whether code of the account may run here."""
        return self.local_builds == "contributors" or (actor.is_admin and self.local_builds != "off")

    def note(self, pool: Pool) -> str:
        words = {
            "admins": "Only builds of admins run here (setting local_builds)",
            "contributors": "Builds of all contributors run here (setting local_builds)",
            "off": "No builds run here (setting local_builds)",
        }
        return ". ".join(part for part in (words[self.local_builds], pool.executor.note) if part)


def open_pools(data: Path, folder: Path | None, *, slots: int, local_builds: str, url: str) -> Pools:
    """Return the pools of a server. data: its data folder, which no build sees where isolation works. folder: of the
    workspaces; None: in the data folder."""
    executor = LocalExecutor(folder or data / "builds", hidden=[data])
    return Pools([Pool(LOCAL, executor, slots)], local_builds=local_builds, url=url)
