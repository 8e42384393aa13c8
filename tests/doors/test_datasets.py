"""Datasets, lineage and recalls by SDK and command line, against a real server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from scipy.spatial import distance
from sklearn.linear_model import LogisticRegression

from modelyard.domain.errors import DatasetMismatch, ExtraMissing, Invalid, VersionRecalled
from modelyard.sdk.client import Client
from modelyard.sdk.datasets import describe
from tests.support.registry import unique
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Client]:
    with server.client() as found:
        yield found


@pytest.fixture
def space() -> str:
    return unique("data")


def transactions(seed: int, shift: float = 0.0, rows: int = 20_000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "customer": np.arange(seed * 15_000, seed * 15_000 + rows),
            "amount": rng.lognormal(3 + shift, 1, rows),
            "hour": rng.integers(0, 24, rows),
            "channel": rng.choice(["web", "shop", "phone"], rows, p=[0.6 - shift / 2, 0.3, 0.1 + shift / 2]),
            "age": rng.normal(45, 12, rows).round(),
        }
    )
    frame["label"] = (frame["amount"] > frame["amount"].median()).astype(int)
    return frame


def trained(frame: pd.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(frame[["hour", "age"]], frame["label"])


def test_two_trainings_on_shifted_data(each_server: RunningServer, space: str) -> None:
    with each_server.client() as client:
        compare_two_trainings(client, space)


def compare_two_trainings(client: Client, space: str) -> None:
    """Which columns shifted, and by how much: the figures of the rows themselves, by SciPy and NumPy."""
    before, after = transactions(0), transactions(1, shift=0.5)
    references = []
    for frame in (before, after):
        train = describe(frame, name="transactions", keys=["customer"], split="train", source="warehouse")
        version = client.push(trained(frame), f"{space}/scorer", data=[train])
        assert version.missing.count("data") == 0
        references.append(f"{space}/transactions@{train.digest}")
    drift = client.datasets.compare(*references)
    found = {column.name: column for column in drift.columns}
    assert {c.name for c in drift.columns if c.shift in ("slight", "large")} == {
        "amount",
        "channel",
    }
    for name in ("amount", "age", "hour"):
        truth = stats.ks_2samp(before[name], after[name]).statistic
        assert found[name].ks == pytest.approx(truth, abs=0.01), name
        histogram = found[name].histogram
        assert histogram is not None
        edges = np.array(histogram.edges, float)
        shares = [
            np.bincount(np.searchsorted(edges, f[name], side="left"), minlength=len(edges) + 1) / len(f)
            for f in (before, after)
        ]
        assert histogram.before == pytest.approx(shares[0], abs=0.005)
        assert histogram.after == pytest.approx(shares[1], abs=0.005)
        psi = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
        assert found[name].psi == pytest.approx(psi, abs=max(0.003, 0.05 * psi))
        assert found[name].js == pytest.approx(distance.jensenshannon(*shares, base=2), abs=0.01)
    assert found["amount"].after.mean == pytest.approx(after["amount"].mean())
    overlap = drift.overlap
    assert overlap is not None
    assert overlap.least <= 5_000 <= overlap.most
    shown = client.datasets.get(references[0])
    assert [use.node for use in shown.uses] == [f"{space}/scorer:1"]
    down = client.lineage.trace(references[1], direction="down")
    assert [node.name for node in down.nodes] == [references[1], f"{space}/scorer:2"]


def test_data_is_given_in_many_ways(client: Client, space: str, tmp_path: Path) -> None:
    frame = transactions(3, rows=500)
    frame.to_parquet(tmp_path / "sales.parquet")
    model = trained(frame)
    for data, names in (
        (transactions(3, rows=500), {"ways-data"}),
        ({"train": frame, "test": pl.from_pandas(frame)}, {"train", "test"}),
        ([("pairs", frame), tmp_path / "sales.parquet"], {"pairs", "sales"}),
        ([{"name": "said", "digest": "sha256:" + "a" * 64, "rows": 3}], {"said"}),
        (describe(frame, name="described"), {"described"}),
        (frame, {"described"}),
    ):
        version = client.push(model, f"{space}/ways", data=data)
        assert {entry["name"] for entry in client.versions.record(version.reference)["data"]} == names
    listed = {d.name: d for d in client.datasets.list(space)}
    assert set(listed) == {"ways-data", "train", "test", "pairs", "sales", "said", "described"}
    assert len({d.newest for name, d in listed.items() if name != "said"}) == 1
    assert client.datasets.profile(f"{space}/train").rows == 500


def test_pushing_the_same_again_makes_no_version(client: Client, space: str, tmp_path: Path) -> None:
    frame = transactions(4, rows=50_000)
    (tmp_path / "model.bin").write_bytes(b"weights")
    versions = [client.push(tmp_path, f"{space}/same", data={"train": frame}).version for _ in range(2)]
    assert versions == [1, 1]


def test_a_dataset_of_its_own(client: Client, space: str) -> None:
    client.namespaces.create(space)
    frame = transactions(5, rows=300)
    found = client.datasets.push(frame, f"{space}/alone", window="2026-03")
    assert found.entry["window"] == "2026-03"
    assert client.datasets.push(frame, "alone", namespace=space, expect=found.digest).digest == found.digest
    assert [v.digest for v in client.datasets.versions(f"{space}/alone")] == [found.digest]
    with pytest.raises(DatasetMismatch):
        client.datasets.push(frame[1:], f"{space}/alone", expect=found.digest)
    with pytest.raises(Invalid, match="needs a name"):
        client.datasets.push(frame)


def test_a_recalled_version_is_refused_though_it_lies_in_the_cache(
    client: Client, space: str, tmp_path: Path
) -> None:
    frame = transactions(6, rows=200)
    ref = client.push(trained(frame), f"{space}/back").reference
    client.pull(ref, tmp_path / "first")
    client.lineage.recall(ref, "leaked labels")
    with pytest.raises(VersionRecalled, match="leaked labels"):
        client.pull(ref, tmp_path / "second")
    with pytest.raises(VersionRecalled):
        client.load(ref)
    assert client.versions.get(ref).recalled is not None
    client.lineage.recall(ref, "only a warning", mode="warn")
    assert "only a warning" in (client.resolve(ref).warning or "")
    client.pull(ref, tmp_path / "third")
    client.lineage.lift_recall(ref)
    assert client.resolve(ref).warning is None


def test_the_command_line(server: RunningServer, client: Client, space: str, tmp_path: Path) -> None:
    def run(*words: str, code: int = 0) -> str:
        done = server.run(*words, cwd=tmp_path)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout

    transactions(7).to_parquet(tmp_path / "march.parquet")
    transactions(8, shift=0.5).to_csv(tmp_path / "april.csv", index=False)
    client.namespaces.create(space)
    first = run(
        "dataset", "push", "march.parquet", f"{space}/sales", "--key", "customer", "--window", "2026-03"
    ).strip()
    second = json.loads(run("dataset", "push", "april.csv", f"{space}/sales", "--key", "customer", "--json"))
    assert run("dataset", "digest", "march.parquet").strip() == first.rpartition("@")[2]
    run("dataset", "push", "april.csv", f"{space}/sales", "--expect", first.rpartition("@")[2], code=2)
    assert second["digest"] in run("dataset", "ls", f"{space}/sales")
    assert f"{space}/sales" in run("dataset", "ls", space)
    assert "amount" in run("dataset", "show", first)
    told = run("dataset", "compare", first, second["reference"])
    assert "amount\tlarge" in told
    assert "hour\tnone" not in told
    assert "hour\tnone" in run("dataset", "compare", first, second["reference"], "--all")
    data = [{"name": "sales", "digest": first.rpartition("@")[2]}]
    ref = client.push(tmp_path / "march.parquet", f"{space}/m", facts={"data": data}).reference
    assert ref in run("lineage", first, "--down")
    assert first in run("lineage", ref, "--up")
    (tmp_path / "wide.csv").write_bytes("Straße;n\nMüller;1\n".encode("latin-1"))
    wide = run("dataset", "digest", "wide.csv").strip()
    assert run("dataset", "digest", "wide.csv", "--separator", ";", "--encoding", "latin-1").strip() == wide
    noted = server.run("push", "wide.csv", f"{space}/o", "--data", "wide.csv", cwd=tmp_path)
    assert "wide.csv was read with encoding 'windows-1252', separator ';'" in noted.stderr
    assert client.versions.record(noted.stdout.split()[0])["data"][0]["digest"] == wide
    (tmp_path / "odd.csv").write_text("a;b\n1;2\n3\n")
    refused = server.run("dataset", "push", "odd.csv", f"{space}/odd", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--separator" in refused.stderr
    pushed = run("push", "march.parquet", f"{space}/n", "--data", "sales=march.parquet", "--data", "april.csv")
    entries = client.versions.record(pushed.split()[0])["data"]
    assert {(e["name"], e["digest"]) for e in entries} == {
        ("sales", first.rpartition("@")[2]),
        ("april", second["digest"]),
    }
    assert [n["kind"] for n in json.loads(run("lineage", ref, "--up", "--json"))["nodes"]] == [
        "version",
        "dataset",
    ]
    event = json.loads(run("lineage", ref, "--format", "openlineage").splitlines()[0])
    assert event["outputs"][0]["name"] == f"{space}/m"
    run("recall", ref, code=2)
    assert "refuse" in run("recall", ref, "--reason", "bad")
    run("pull", ref, "--to", "there", code=1)
    run("promote", ref, "staging", "--dry-run", code=1)
    assert "recalled (refuse): bad" in run("lineage", first, "--down")
    assert "in use again" in run("recall", ref, "--undo")


def test_data_of_a_run_is_known_with_its_profile(
    server: RunningServer, client: Client, space: str, tmp_path: Path
) -> None:
    """An ordinary script: the run reads data and its version comes out of it."""
    frame = transactions(9, rows=500)
    frame.to_parquet(tmp_path / "train.parquet")
    script = tmp_path / "train.py"
    script.write_text(
        "import modelyard as my, pandas as pd\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "frame = pd.read_parquet('train.parquet')\n"
        f"with my.run('night 1', experiment='{space}/nightly'):\n"
        "    my.log_input(frame, name='clicks', split='train', source='warehouse.clicks')\n"
        "    model = LogisticRegression().fit(frame[['hour', 'age']], frame['label'])\n"
        f"    my.push(model, '{space}/clicker')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=server.environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = client.datasets.get(f"{space}/clicks")
    assert shown.rows == 500
    assert {(use.kind, use.relation) for use in shown.uses} == {("run", "read"), ("version", "trained_on")}
    found = client.lineage.trace(shown.dataset.reference, direction="down")
    assert {node.kind for node in found.nodes} == {"dataset", "run", "version"}
    assert {edge.relation for edge in found.edges} == {"read", "trained_on", "produced"}
    assert [node.title for node in found.nodes if node.kind == "run"] == ["night 1"]


def test_autologged_data_names_who_read_it_and_on_which_machine(
    server: RunningServer, client: Client, space: str, tmp_path: Path
) -> None:
    script = tmp_path / "auto.py"
    script.write_text(
        "import pandas as pd, modelyard as my\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "my.autolog()\n"
        "clicks = pd.DataFrame({'hour': range(200)})\n"
        f"with my.run('auto', experiment='{space}/nightly', register='{space}/clicker'):\n"
        "    LogisticRegression().fit(clicks, [n % 2 for n in range(200)])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=server.environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    uses = {use.kind: use for use in client.datasets.get(f"{space}/clicks").uses}
    assert (uses["run"].relation, uses["run"].by) == ("read", "root")
    assert uses["run"].details["host"] == socket.gethostname()
    assert (uses["version"].relation, uses["version"].by) == ("trained_on", "root")
    # The machine is no part of the version, which stays the same on another one.
    assert "host" not in client.versions.record(f"{space}/clicker:1")["data"][0]
    shown = server.run("dataset", "show", f"{space}/clicks").stdout
    assert f"\troot\t{uses['run'].at}\t{socket.gethostname()}\t" in shown


def test_without_the_packages_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from modelyard.sdk.datasets import describe\n"
        "try:\n    describe({'x': [1]}, name='it')\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(ExtraMissing.__name__)
    assert 'pip install "modelyard[data]"' in done.stdout


def test_comparing_by_sdk_and_command_line(server: RunningServer, client: Client, space: str) -> None:
    refs = []
    for seed, gain in ((10, 0.0), (11, 0.04)):
        frame = transactions(seed, shift=seed % 2 / 2, rows=2_000)
        metrics = [
            {"name": "f1", "split": f"fold-{i}", "value": 0.8 + 0.01 * i + gain + 0.001 * i} for i in range(5)
        ]
        version = client.push(
            trained(frame),
            f"{space}/scorer",
            data={"train": frame},
            metrics=[*metrics, {"name": "cost", "value": 10.0 - seed}],
            params={"seed": seed},
            alias="champion" if seed == 10 else (),
        )
        refs.append(version.reference)
    found = client.compare(*refs, directions={"cost": "lower"})
    assert found.champion == refs[0]
    by_name = {metric.name: metric for metric in found.metrics}
    assert by_name["cost"].best == [1]
    said = by_name["f1"].significance[1]
    assert said is not None
    assert said.words.startswith("better (paired t-test over 5")
    assert found.data[0][0].drift is not None
    assert "amount" in {c.name for c in found.data[0][0].drift.columns if c.shift == "large"}
    assert client.best(f"{space}/scorer", "cost", direction="lower").best.reference == refs[1]
    assert len(client.metric_history(f"{space}/scorer", "cost").items) == 2
    done = server.run("compare", *refs)
    assert done.returncode == 0, done.stderr
    assert f"{refs[1]}: better (paired t-test" in done.stdout
    swapped = server.run("compare", *reversed(refs), "--only", "metrics")
    assert f"{refs[0]}: worse (paired t-test" in swapped.stdout
    assert "seed\t10\t11" in done.stdout
    assert "amount large" in done.stdout
    only = server.run("compare", *refs, "--only", "params")
    assert "paired" not in only.stdout
    assert server.run("compare", refs[0]).returncode == 2
    best = server.run("best", f"{space}/scorer", "--metric", "cost", "--direction", "lower")
    assert best.stdout.splitlines()[0].startswith(refs[1])
    over = server.run("best", f"{space}/scorer", "--metric", "cost", "--over-time", "--json")
    assert [p["version"] for p in json.loads(over.stdout)["items"]] == [1, 2]
