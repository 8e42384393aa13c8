"""Pages over 50 000 versions against MLflow, 10⁶ versions against 10⁴, and metrics of 10 000 models."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from tests.support.server import RunningServer, running_server

from benchmarks import peers
from benchmarks.load import interleaved, median_ms
from benchmarks.table import Row, at_most, faster
from modelyard.db import tables
from modelyard.db.engine import Database

_MODELS = 100
_METRIC_MODELS, _METRIC_VERSIONS, _METRIC_MS = 10_000, 100_000, 20.0
# A metric of every version, spread over its numbers.
_SCORES = (
    "INSERT INTO version_scores (version_id, name, split, model_id, value) "
    "SELECT v.id, 'f1', 'test', v.model_id, (v.id * 7919 % 100000) / 100000.0 FROM versions v"
)
# The sums that each registration keeps up to date.
_MONTHS = (
    "INSERT INTO version_months (month, model_id, actor_id, facts, registered, size_bytes, new_bytes) "
    "SELECT s.month, v.model_id, v.created_by, '000001', COUNT(*), SUM(f.size_bytes), 0 "
    "FROM versions v JOIN manifests f ON f.id = v.manifest_id CROSS JOIN (SELECT MAX(month) AS month FROM version_months) s "
    "GROUP BY s.month, v.model_id, v.created_by"
)


def fill(server: RunningServer, models: int, versions: int) -> None:
    """Rows for `models` models and one named `big` with half of all versions; the server is stopped meanwhile."""
    client = server.client()
    folder = server.home / "model"
    folder.mkdir(exist_ok=True)
    (folder / "weights.bin").write_bytes(b"weights")
    client.push(folder, "bench/big", alias="champion", capture=False)
    server.stop()
    db = Database(f"sqlite:///{server.data / 'modelyard.db'}")
    each = versions // 2 // models

    def work(tx: object) -> None:
        connection = tx.connection  # type: ignore[attr-defined]
        first = connection.execute(sa.select(tables.versions)).mappings().one()
        big = connection.execute(sa.select(tables.models)).mappings().one()
        made = dict(big)
        names = {"big": (big["id"], versions // 2)}
        for n in range(models):
            made |= {"id": big["id"] + n + 1, "name": f"m{n:05}"}
            connection.execute(tables.models.insert().values(**made))
            words = {"id": made["id"], "words": f"bench/{made['name']} bench {made['name']} scorer"}
            connection.execute(
                sa.text(f"INSERT INTO {tables.SEARCH_TABLE} (rowid, words) VALUES (:id, :words)"), words
            )
            names[made["name"]] = (made["id"], each)
        for model_id, count in names.values():
            start = 2 if model_id == big["id"] else 1
            for begin in range(start, count + 1, 10_000):
                rows = [
                    {
                        **first,
                        "id": None,
                        "model_id": model_id,
                        "number": n,
                        "digest": f"sha256:{model_id * 10_000_000 + n:064x}",
                        "record": json.dumps({"params": {"n": n}}),
                    }
                    for n in range(begin, min(begin + 10_000, count + 1))
                ]
                for row in rows:
                    del row["id"]
                connection.execute(tables.versions.insert(), rows)
            connection.execute(
                tables.models.update()
                .where(tables.models.c.id == model_id)
                .values(next_version=count + 1, newest_version=count, version_count=count)
            )
        connection.execute(sa.text(_SCORES))
        connection.execute(sa.text(_MONTHS))
        connection.execute(sa.text("ANALYZE"))

    db.write(work)
    db.close()
    server.start()


def urls(server: RunningServer) -> dict[str, str]:
    api = f"{server.url}/api/v1"
    return {
        "list": f"{api}/models?limit=100",
        "words": f"{api}/models?q=scorer&limit=50",
        "model": f"{api}/models/bench/big",
        "versions": f"{api}/models/bench/big/versions?limit=50",
        "resolve": f"{api}/resolve?ref=bench/big@champion",
    }


def metric_urls(server: RunningServer) -> dict[str, str]:
    """Filters that many, and that few, models and versions meet; and a ranking."""
    api = f"{server.url}/api/v1"
    return {
        "models with f1>=0.1": f"{api}/models?metric=f1%3E%3D0.1&limit=50",
        "models with f1>=0.9999": f"{api}/models?metric=f1%3E%3D0.9999&limit=50",
        "versions with f1>=0.1": f"{api}/models/bench/big/versions?metric=f1%3E%3D0.1&limit=50",
        "versions with f1>=0.9999": f"{api}/models/bench/big/versions?metric=f1%3E%3D0.9999&limit=50",
        "the best of 50 000 versions": f"{api}/models/bench/big/best?metric=f1&limit=50",
    }


def times(server: RunningServer, count: int = 60, asked: dict[str, str] | None = None) -> dict[str, float]:
    token = {"Authorization": f"Bearer {server.token}"}
    wanted = asked or urls(server)
    return interleaved(3, {name: partial(median_ms, url, token, count) for name, url in wanted.items()})


def mlflow_times(folder: Path, workers: int) -> dict[str, float]:
    place = folder / f"mlflow-{workers}"
    with peers.mlflow(place, workers):
        pass
    peers.fill_mlflow(place, _MODELS, 50_000)
    with peers.mlflow(place, workers) as server:
        api = f"{server.url}/api/2.0/mlflow"
        asked = {
            "list": f"{api}/registered-models/search?max_results=100",
            "model": f"{api}/registered-models/get?name=big",
            "versions": f"{api}/model-versions/search?filter=name%3D%27big%27&max_results=10000",
        }
        return interleaved(3, {name: partial(median_ms, url, {}, 5) for name, url in asked.items()})


def measure(folder: Path) -> list[Row]:
    by_workers = [mlflow_times(folder, workers) for workers in (4, 1)]
    best = {name: min(figures[name] for figures in by_workers) for name in by_workers[0]}
    with running_server(folder=folder / "middle") as server:
        fill(server, _MODELS, 50_000)
        middle = times(server)
    with running_server(folder=folder / "metrics") as server:
        fill(server, _METRIC_MODELS, _METRIC_VERSIONS)
        by_metric = times(server, 20, metric_urls(server))
    with running_server(folder=folder / "small") as small, running_server(folder=folder / "large") as large:
        fill(small, _MODELS, 10_000)
        fill(large, _MODELS, 1_000_000)
        few, many = times(small), times(large)
    page = middle["model"] + middle["versions"]
    rows = [
        faster("page of 100 models, 50 000 versions stored", middle["list"], best["list"], 50, "ms", "MLflow"),
        faster(
            "page of a model with 25 000 versions",
            page,
            best["model"],
            50,
            "ms",
            "MLflow registered-models/get",
        ),
        faster(
            "the same against what its client asks",
            page,
            best["versions"],
            50,
            "ms",
            "MLflow model-versions/search",
        ),
    ]
    for name, words in (("words", "full-text search"), ("list", "page of 100 models"), ("resolve", "resolve")):
        ratio = many[name] / few[name]
        rows.append(
            Row(
                f"{words} at 10⁶ versions",
                f"{many[name]:.2f} ms",
                f"{few[name]:.2f} ms at 10⁴",
                ratio,
                "≤ 2",
                ratio <= 2,
            )
        )
    rows += [
        at_most(f"{what}, of 10 000 models with 100 000 versions", found, _METRIC_MS, "ms")
        for what, found in by_metric.items()
    ]
    return rows
