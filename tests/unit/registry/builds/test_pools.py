"""The file of clusters: what it means, and what a refusal says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from modelyard.domain.errors import Invalid
from modelyard.engines.local import LocalExecutor
from modelyard.registry.builds.pools import LOCAL, Pool, Pools, read_clusters

_FILE = """\
[pools.hpc]
kind = "slurm"
partition = "gpu"
options = ["--account=ml"]
slots = 20
builds = "contributors"

[pools.ray]
kind = "ray"
address = "http://head:8265"
url = "https://inside.example.org/"
"""


def read(folder: Path, text: str, public_url: str = "https://models.example.org") -> list[Pool]:
    path = folder / "pools.toml"
    path.write_text(text)
    return read_clusters(str(path), public_url)


def test_a_cluster_says_only_what_differs(tmp_path: Path) -> None:
    hpc, ray = read(tmp_path, _FILE)
    assert (hpc.name, hpc.executor.kind, hpc.executor.place) == ("hpc", "slurm", "slurm:hpc")
    assert (hpc.slots, hpc.builds, hpc.url) == (20, "contributors", "https://models.example.org")
    assert (ray.name, ray.executor.kind, ray.slots, ray.builds) == ("ray", "ray", 8, "admins")
    assert ray.url == "https://inside.example.org"
    assert not hpc.executor.is_isolated
    assert hpc.note.startswith("Builds of all contributors run here (builds of [pools.hpc] in build_pools). ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[pools", "build_pools"),
        ('[pools.a]\nkind = "nomad"', "nomad"),
        ('[pools.a]\nkind = "ray"', "address"),
        ('[pools.a]\nkind = "ray"\naddress = "head:8265"', "address"),
        ('[pools.a]\nkind = "slurm"\npartitoin = "x"', "partitoin"),
        ('[pools.a]\nkind = "slurm"\nbuilds = "everybody"', "everybody"),
        ('[pools.a]\nkind = "slurm"\nfolder = "relative"', "folder"),
        ('[pools.local]\nkind = "slurm"', "this machine"),
        ('[pools."A B"]\nkind = "slurm"', "pools"),
        ('[other]\nkind = "slurm"', "other"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Invalid, match=r"pools\.toml") as refused:
        read(tmp_path, text)
    assert words in str(refused.value)


def test_nodes_must_know_where_the_server_is(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="set public_url"):
        read(tmp_path, _FILE, "")
    with pytest.raises(Invalid, match="No such file"):
        read_clusters(str(tmp_path / "absent.toml"), "")


def test_the_first_pool_that_takes_builds_is_the_default(tmp_path: Path) -> None:
    local = Pool(LOCAL, LocalExecutor(tmp_path), 2, "admins", "setting local_builds", "http://here")
    clusters = read(tmp_path, _FILE)
    assert Pools([local, *clusters]).default == LOCAL
    off = msgspec.structs.replace(local, builds="off")
    assert Pools([off, *clusters]).default == "hpc"
    assert Pools([off]).default == LOCAL
