"""Downloads by a signed URL from a real bucket: the bytes do not pass through the server."""

from __future__ import annotations

import os
from pathlib import Path

import urllib3

from tests.support.s3 import S3Server
from tests.support.server import running_server


def test_pull_follows_the_signed_url_of_the_bucket(s3_server: S3Server, tmp_path: Path) -> None:
    bucket = s3_server.url(s3_server.make_bucket())
    weights = os.urandom(3_000_000)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights ü.bin").write_bytes(weights)
    with running_server(
        blobs_url=bucket, redirect_downloads=True, environment=dict(s3_server.environment)
    ) as server:
        client = server.client()
        client.push(tmp_path / "model", "team/model", capture=False)
        url = f"{server.url}/api/v1/models/team/model/versions/1/files/weights%20%C3%BC.bin"
        token = {"Authorization": f"Bearer {server.token}"}
        http = urllib3.PoolManager()
        answer = http.request("GET", url, headers=token, redirect=False)
        assert answer.status == 302
        assert answer.headers["location"].startswith(s3_server.endpoint)
        assert server.token not in answer.headers["location"]
        # Whoever holds the signed URL needs no token of ours, for a quarter of an hour.
        signed = http.request("GET", answer.headers["location"], headers={"Range": "bytes=5-9"})
        assert (signed.status, signed.data) == (206, weights[5:10])
        assert (
            http.request("GET", answer.headers["location"].replace("Signature=", "Signature=0")).status == 403
        )
        # A client that asks without rights gets no URL.
        assert http.request("GET", url, redirect=False).status == 401
        pulled = client.pull("team/model", tmp_path / "pulled")
        assert (pulled / "weights ü.bin").read_bytes() == weights
