"""A front with a scikit-learn model of a real registry: protocols, swaps under load, crashes of every process."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LogisticRegression

from modelyard.sdk.environment import environment_facts
from modelyard.sdk.views import Version
from modelyard.wire.scorer import Wanted, WantedRevision
from tests.support.scorer import Load, RunningFront
from tests.support.server import RunningServer

ROW = {"age": 41.5, "income": 2, "days": 3.5, "score": 0.1}
OLD = {**ROW, "age": 71}


@dataclass
class Pushed:
    server: RunningServer
    model: LogisticRegression
    versions: list[Version]

    def revision(self, number: int, role: str = "serving") -> WantedRevision:
        version = self.versions[number - 1]
        return WantedRevision(number=number, reference=version.reference, digest=str(version.digest), role=role)


@pytest.fixture(scope="module")
def pushed(server: RunningServer) -> Pushed:
    """Two versions, and one whose environment nobody can make."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {name: rng.uniform(low, high, 200) for name, (low, high) in
         {"age": (20, 80), "income": (1, 9), "days": (0, 99), "score": (0, 1)}.items()}
    )  # fmt: skip
    target = (frame.age > 50).astype(int)
    first, second = (LogisticRegression(C=c, max_iter=2000).fit(frame, target) for c in (1.0, 0.5))
    facts = environment_facts()
    facts["packages"] = {**facts["packages"], "scikit-learn": "0.0.1"}
    with server.client() as client:
        versions = [client.push(each, "fraud/scorer", example=frame.head()) for each in (first, second)]
        versions.append(
            client.push(
                LogisticRegression(C=0.1, max_iter=2000).fit(frame, target),
                "fraud/scorer",
                example=frame.head(),
                facts={"environment": facts},
            )
        )
    return Pushed(server, first, versions)


@pytest.fixture(scope="module")
def front(pushed: Pushed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFront]:
    folder = tmp_path_factory.mktemp("deployments")
    wanted = Wanted(
        generation=1,
        deployment="fraud/cards",
        registry=pushed.server.url,
        cache=str(folder / "cache"),
        revisions=[pushed.revision(1)],
        public=True,
    )
    running = RunningFront(folder / "one", wanted, pushed.server.token)
    running.start()
    yield running
    running.stop()


def test_it_starts_and_says_what_it_is(front: RunningFront, pushed: Pushed) -> None:
    state = front.wait_for(1)
    (revision,) = state.revisions
    assert (revision.state, revision.reference) == ("ready", "fraud/scorer:1")
    assert revision.memory_bytes
    assert [(swap.before, swap.after, swap.why) for swap in state.swaps] == [(None, 1, "wanted")]
    status, body, headers = front.call("/predict", ROW)
    assert status == 200
    assert body == {
        "prediction": int(pushed.model.predict(pd.DataFrame([ROW]))[0]),
        "prediction_id": body["prediction_id"],
        "deployment": "fraud/cards",
        "model": "fraud/scorer:1",
        "revision": 1,
    }
    assert headers["modelyard-digest"] == str(pushed.versions[0].digest)
    assert (headers["modelyard-version"], headers["modelyard-revision"]) == ("fraud/scorer:1", "1")


def test_every_protocol_gives_the_same_answer(front: RunningFront, pushed: Pushed) -> None:
    front.wait_for(1)
    rows = [ROW, OLD]
    expected = [int(value) for value in pushed.model.predict(pd.DataFrame(rows))]
    assert expected == [0, 1]
    values = [list(row.values()) for row in rows]
    assert front.call("/predict", rows)[1]["predictions"] == expected
    for body in (
        {"dataframe_split": {"columns": [*ROW], "data": values}},
        {"dataframe_split": {"columns": [*ROW][::-1], "data": [row[::-1] for row in values]}},
        {"dataframe_records": rows},
        {"instances": values},
        {"inputs": {name: [row[name] for row in rows] for name in ROW}},
    ):
        assert front.call("/invocations", body, content_type="application/json")[1] == {"predictions": expected}
    assert front.call("/v1/models/fraud--cards:predict", {"instances": rows})[1] == {"predictions": expected}
    infer = "/v2/models/fraud--cards/versions/1/infer"
    flat = [value for row in values for value in row]
    for data in (flat, values):
        asked = {"id": "7", "inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP64", "data": data}]}
        told = front.call(infer, asked)[1]
        assert (told["id"], told["model_version"], told["outputs"][0]["data"]) == ("7", "1", expected)
    columns = [
        {"name": name, "shape": [2, 1], "datatype": "FP64", "data": [row[name] for row in rows]} for name in ROW
    ]
    assert front.call("/v2/models/fraud/cards/infer", {"inputs": columns})[1]["outputs"][0]["data"] == expected
    probabilities = pushed.model.predict_proba(pd.DataFrame([ROW]))[0]
    found = front.call("/predict?output=predict_proba", ROW)[1]["prediction"]
    assert found == pytest.approx(probabilities.tolist())


def test_binary_tensors_as_tritonclient_sends_them(front: RunningFront) -> None:
    """Byte for byte what `InferenceServerClient.infer` of tritonclient 2.73 writes by default: JSON without spaces, then the
    tensor, and binary outputs."""
    front.wait_for(1)
    tensor = struct.pack("<8f", *[41.5, 2, 3.5, 0.1, 71, 2, 3.5, 0.1])
    head = (
        b'{"id":"1","inputs":[{"name":"input","shape":[2,4],"datatype":"FP32","parameters":{"binary_data_size":32}}],'
        b'"parameters":{"binary_data_output":true}}'
    )
    status, body, headers = front.call(
        "/v2/models/fraud--cards/infer", head + tensor, Inference_Header_Content_Length=str(len(head))
    )
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    length = int(headers["inference-header-content-length"])
    assert b'"binary_data_size":16' in body[:length]
    assert struct.unpack("<2q", body[length:]) == (0, 1)


def test_tritonclient_unchanged(front: RunningFront, pushed: Pushed) -> None:
    http = pytest.importorskip("tritonclient.http")
    state = front.wait_for(1)
    rows = pd.DataFrame([ROW, OLD])
    with http.InferenceServerClient(f"{state.host}:{state.port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("fraud--cards", "1")
        assert client.get_model_metadata("fraud--cards")["versions"] == ["1"]
        assert client.get_model_repository_index()[0]["state"] == "READY"
        given = http.InferInput("input", list(rows.shape), "FP64")
        for is_binary in (True, False):
            given.set_data_from_numpy(rows.to_numpy(), binary_data=is_binary)
            outputs = [http.InferRequestedOutput("predict_proba", binary_data=is_binary)]
            assert client.infer("fraud--cards", [given]).as_numpy("output").tolist() == [0, 1]
            found = client.infer("fraud--cards", [given], outputs=outputs).as_numpy("predict_proba")
            np.testing.assert_allclose(found, pushed.model.predict_proba(rows))
        given.set_data_from_numpy(rows.to_numpy() * np.nan)
        with pytest.raises(http.InferenceServerException, match="row 0, column 'age'"):
            client.infer("fraud--cards", [given])


def test_what_there_is_to_read(front: RunningFront) -> None:
    front.wait_for(1)
    assert front.call("/v2/health/live")[:2] == (200, {"live": True})
    for path in ("/v2/health/ready", "/v2/models/fraud--cards/ready", "/ping", "/health"):
        assert front.call(path)[:2] == (200, {"ready": True})
    assert "binary_tensor_data" in front.call("/v2")[1]["extensions"]
    described = front.call("/v2/models/fraud--cards")[1]
    assert [(each["name"], each["datatype"]) for each in described["inputs"]] == [
        (name, "FP64") for name in ROW
    ]
    (entry,) = front.call("/v2/repository/index", {})[1]
    assert (entry["name"], entry["version"], entry["state"]) == ("fraud--cards", "1", "READY")
    document = front.call("/openapi.json")[1]
    OpenAPIV31SpecValidator(document).validate()
    assert document["components"]["schemas"]["Row"]["required"] == [*ROW]
    metrics = front.call("/metrics")[1].decode()
    families = {family.name: family for family in text_string_to_metric_families(metrics)}
    assert {"modelyard_scorer_queue", "modelyard_scorer_batch_rows", "modelyard_scorer_swaps"} < set(families)
    buckets = [
        each.value for each in families["http_server_request_duration_seconds"].samples if "le" in each.labels
    ]
    assert buckets == sorted(buckets)
    labels = 'deployment="fraud/cards",revision="1",version="fraud/scorer:1"'
    assert f'modelyard_scorer_requests_total{{{labels},code="200"}} ' in metrics
    assert f'http_server_request_duration_seconds_bucket{{{labels},le="0.005"}} ' in metrics
    assert front.call("/v2/models/other/infer", {})[0] == 404
    assert front.call("/v2/models/fraud--cards/versions/9")[0] == 404


@pytest.mark.parametrize(
    ("row", "code", "column", "words"),
    [
        ({**ROW, "age": "41"}, "wrong_type", "age", "expected number (float64), found text '41'"),
        ({**ROW, "age": None}, "wrong_type", "age", "found null"),
        ({**ROW, "age": True}, "wrong_type", "age", "found true or false"),
        ({**ROW, "agee": 1}, "unknown_column", "agee", "the model takes age, income, days, score"),
        ({name: 1 for name in ROW if name != "days"}, "missing_column", "days", "is missing"),
    ],
)
def test_a_wrong_row_is_refused_by_column_row_and_type(
    front: RunningFront, row: dict[str, Any], code: str, column: str, words: str
) -> None:
    front.wait_for(1)
    status, body, _ = front.call("/predict", [ROW, row])
    assert (status, body["code"], body["column"], body["row"]) == (400, code, column, 1)
    assert words in body["error"]


def test_swaps_drop_nothing_and_go_back_to_the_warm_worker(front: RunningFront, pushed: Pushed) -> None:
    state = front.wait_for(1)
    load = Load(state.port, "/predict", b'{"age": 41.5, "income": 2, "days": 3.5, "score": 0.1}')
    with load.run():
        load.more(50)
        front.order(pushed.revision(2), pushed.revision(1, "warm"))
        front.wait_for(2)
        load.more(50)
        front.order(pushed.revision(1), pushed.revision(2, "warm"))
        back = front.wait_for(1)
        load.more(50)
        # Nobody can make the third one's environment; the first goes on.
        front.order(pushed.revision(3), pushed.revision(1, "warm"), pushed.revision(2, "warm"))
        failed = front.wait(lambda s: s.settled and s.generation == front.wanted.generation)
        load.more(50)
    assert load.broken == []
    assert {status for status, _ in load.answers} == {200}
    assert {revision for _, revision in load.answers} == {"1", "2"}
    assert [swap.dropped for swap in failed.swaps] == [0] * len(failed.swaps)
    assert back.swaps[-1].milliseconds < failed.swaps[1].milliseconds
    states = {revision.number: revision for revision in failed.revisions}
    assert (failed.serving, states[3].state, states[2].state) == (1, "failed", "warm")
    assert "the environment cannot be made" in str(states[3].reason)
    assert failed.swaps[-1].why.startswith("start failed")
    front.order(pushed.revision(1))
    front.wait_for(1)


def _workers(front: RunningFront) -> list[int]:
    assert front.process is not None
    children = Path(f"/proc/{front.process.pid}/task/{front.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def test_a_killed_worker_is_replaced(front: RunningFront) -> None:
    front.wait_for(1)
    (worker,) = _workers(front)
    os.kill(worker, signal.SIGKILL)
    front.wait(lambda s: {revision.number: revision.restarts for revision in s.revisions}[1] == 1)
    # A request waits in the queue until the next worker is there.
    assert front.call("/predict", ROW)[0] == 200
    assert _workers(front) != [worker]


class Registry(BaseHTTPRequestHandler):
    """The route that says who may predict, until the registry proper is asked."""

    asked: list[str] = []

    def do_GET(self) -> None:
        assert self.path == "/api/v1/deployments/fraud/cards/predicting"
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.asked.append(token)
        self.send_response({"ada": 204, "bob": 403, "eve": 401}.get(token, 404))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


def test_callers_are_asked_of_the_registry_which_may_go_away(front: RunningFront) -> None:
    front.wait_for(1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    front.order(public=False, registry=f"http://127.0.0.1:{server.server_port}")

    def status(token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return front.call("/predict", ROW, **headers)[0]

    assert [status(token) for token in (None, "ada", "ada", "bob", "eve", "who")] == [
        401,
        200,
        200,
        403,
        401,
        404,
    ]
    assert Registry.asked.count("ada") == 1, "the answer is remembered"
    assert front.call("/metrics")[0] == 401
    assert front.call("/v2/health/ready")[0] == 200, "probes have no token"
    server.shutdown()
    server.server_close()
    assert status("ada") == 200
    status_, body, headers = front.call("/predict", ROW, Authorization="Bearer new")
    assert (status_, body["code"], headers["retry-after"]) == (503, "registry_away", "1")


def test_a_killed_front_takes_its_workers_along_and_comes_back_without_the_registry(
    front: RunningFront,
) -> None:
    front.order(public=True)
    before = front.wait_for(1)
    (worker,) = _workers(front)
    front.kill()
    until = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()
    front.start()
    after = front.wait(lambda s: s.serving == 1 and s.pid != before.pid)
    assert after.port == before.port
    assert front.call("/predict", ROW)[0] == 200
    assert "the registry cannot be reached; fraud/scorer:1 is used as it is stored here" in front.log
    second = RunningFront(front.folder, front.wanted, (front.folder / "token").read_text())
    second.start()
    assert second.process is not None
    assert second.process.wait(30) == 3


def test_orders_that_make_no_sense_change_nothing(front: RunningFront, pushed: Pushed) -> None:
    before = front.wait_for(1)
    wanted = front.wanted

    def put(**changes: Any) -> int:
        body = msgspec.structs.replace(wanted, generation=wanted.generation + 1, **changes)
        return front.control("PUT", "/wanted", msgspec.json.encode(body))[0]

    for changes in (
        {"revisions": []},
        {"revisions": [pushed.revision(1), pushed.revision(2)]},
        {"revisions": [pushed.revision(1), pushed.revision(2, "boss")]},
        {"replicas": 0},
        {"deployment": "fraud/other"},
    ):
        assert put(**changes) == 400
    assert front.control("PUT", "/wanted", b"{}")[0] == 400
    after = front.wait_for(1)
    assert (after.generation, after.swaps) == (before.generation, before.swaps)
    status, state = front.control("POST", "/stop")
    assert (status, state["serving"]) == (202, 1)
    assert front.process is not None
    assert front.process.wait(30) == 0
    last = front.state()
    assert last is not None
    assert (last.serving, [revision.state for revision in last.revisions]) == (None, ["stopped"])
