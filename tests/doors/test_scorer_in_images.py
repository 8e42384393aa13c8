"""The front as an image starts it: order and token are mounted, the version is in the image, and nothing else can be written."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelyard.wire.scorer import Wanted, WantedRevision
from tests.support.scorer import RunningFront
from tests.support.server import RunningServer
from tests.support.services import free_ports


def test_an_image_serves_its_version_without_pulling_it(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    rows = rng.uniform(size=(40, 2))
    model = LogisticRegression().fit(rows, rows[:, 0] > 0.5)
    with server.client() as client:
        version = client.push(model, "fraud/inside", example=rows[:2])
        image = client.images.write(version.reference, tmp_path / "image").folder
        assert client.images.write(version.reference, tmp_path / "again").folder.is_dir()
    (wheel,) = image.glob("modelyard-*.whl")
    assert wheel.read_bytes() == (tmp_path / "again" / wheel.name).read_bytes()
    text = (image / "Containerfile").read_text()
    assert (
        f"/opt/scorer/bin/python -m pip install --no-cache-dir --disable-pip-version-check './{wheel.name}[scorer]'"
        in text
    )
    assert 'CMD ["/opt/scorer/bin/python", "-m", "modelyard.scorer"]' in text
    # What a step of the Containerfile writes.
    (image / "python").write_text(f"{sys.executable}\n")
    told = WantedRevision(number=4, reference=version.reference, digest=str(version.digest))
    wanted = Wanted(
        generation=3,
        deployment="fraud/inside",
        registry=server.url,
        cache=str(tmp_path / "run" / "cache"),
        revisions=[told],
        public=True,
    )
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "wanted.json").write_bytes(msgspec.json.encode(wanted))
    (mounted / "token").write_text(f"{server.token}\n")
    (port,) = free_ports(1)
    front = RunningFront(
        tmp_path / "run",
        wanted,
        variables={
            "MODELYARD_SCORER_ORDER": str(mounted / "wanted.json"),
            "MODELYARD_SCORER_TOKEN": str(mounted / "token"),
            "MODELYARD_SCORER_IMAGE": str(image),
            "MODELYARD_SCORER_STATE": f"127.0.0.1:{port}",
            "MODELYARD_SCORER_LEAVE_SECONDS": "1",
        },
    )
    front.start()
    try:
        state = front.wait_for(4)
        assert front.call("/predict", rows[:2].tolist())[1]["predictions"] == model.predict(rows[:2]).tolist()
        (cached,) = (tmp_path / "run" / "cache" / "versions").glob("*/model")
        assert cached.readlink() == image / "model"
        assert not (tmp_path / "run" / "cache" / "environments").exists()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/state")
        assert json.loads(connection.getresponse().read())["serving"] == 4
        connection.request("POST", "/stop")
        assert connection.getresponse().status == 404
        connection.close()
        # A new order in the same place, as a ConfigMap brings it.
        for is_public, status in ((False, 401), (True, 200)):
            generation = front.wanted.generation + 1
            front.wanted = msgspec.structs.replace(wanted, generation=generation, public=is_public)
            (mounted / "wanted.json").write_bytes(msgspec.json.encode(front.wanted))
            front.wait_for(4)
            assert front.call("/predict", rows[:2].tolist())[0] == status
        # After SIGTERM it is not ready, and answers what still comes.
        assert front.call("/v2/health/ready")[0] == 200
        ending = threading.Thread(target=front.stop)
        ending.start()
        front.wait(lambda _: front.call("/v2/health/ready")[0] == 503)
        assert front.call("/predict", rows[:2].tolist())[0] == 200
        ending.join()
        assert front.process is not None
        assert front.process.returncode == 0
        # Bytes that were changed in the image are not served; those of the registry are.
        for file in (image / "model").rglob("*"):
            if file.is_file():
                file.write_bytes(file.read_bytes() + b" ")
        front.start()
        front.wait(lambda s: s.pid != state.pid and s.serving == 4)
        assert front.call("/predict", rows[:2].tolist())[1]["predictions"] == model.predict(rows[:2]).tolist()
        assert not cached.is_symlink()
    finally:
        front.stop()
