"""A registry moves from a folder to PostgreSQL and a bucket, and back, with all that its key protects."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from tests.support.postgres import PostgresServer
from tests.support.receiver import Receiver, running_receiver
from tests.support.s3 import S3Server
from tests.support.server import RunningServer, running_server


def places(database_url: str, blobs_url: str) -> Sequence[str]:
    return ("--database-url", database_url, "--blobs-url", blobs_url)


def check_same_registry(
    server: RunningServer, token: str, key: Path, checkpoint: Path, receiver: Receiver, secret: str
) -> None:
    """Tokens, bytes, old checkpoints and sealed secrets are as they were."""
    with server.client(token) as client:
        client.pull("fraud/scorer:1", server.folder / "pulled")
        assert (server.folder / "pulled" / "weights.bin").read_bytes() == b"weights"
        log = server.folder / "log.jsonl"
        client.audit.export(log)
        verified = server.run("audit", "verify", str(log), "--key", str(key), "--against", str(checkpoint))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        seen = len(receiver.accepted)
        client.aliases.set("fraud/scorer:1", f"at-{server.folder.name}")
        until = time.monotonic() + 30
        while len(receiver.accepted) <= seen:
            assert time.monotonic() < until, client.subscriptions.deliveries(1)
            time.sleep(0.1)
    message = receiver.accepted[-1]
    Webhook(secret).verify(message.body, message.headers)


@pytest.mark.parametrize("by_setting", [False, True], ids=["key moves along", "key by setting"])
def test_a_registry_moves_both_ways(
    tmp_path: Path,
    postgres_server: PostgresServer,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    by_setting: bool,
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"weights")
    key, checkpoint = tmp_path / "log.key", tmp_path / "checkpoint.txt"
    options = {"webhook_allowed_hosts": "127.0.0.1"}
    url = postgres_server.create_database()
    bucket = s3_server.url(s3_server.make_bucket())
    secret_key = dict[str, str]()
    with running_receiver() as receiver:
        with running_server(folder=tmp_path / "first", **options) as first:
            token = first.token
            client = first.client()
            client.push(tmp_path / "model", "fraud/scorer", capture=False)
            made = client.subscriptions.create("webhook", receiver.url, model="fraud/scorer")
            assert made.secret is not None
            key.write_text(first.run("audit", "checkpoint", "--public-key").stdout, encoding="utf-8")
            checkpoint.write_text(first.run("audit", "checkpoint").stdout, encoding="utf-8")
        out, back = tmp_path / "out", tmp_path / "back"
        moved = first.run("backup", str(out), "--data", str(first.data))
        assert moved.returncode == 0, moved.stderr
        if by_setting:
            secret_key = {"MODELYARD_SECRET_KEY": (out / "secret.key").read_text().strip()}
        environment = {**s3_server.environment, **secret_key}
        moved = first.run("restore", str(out), *places(url, bucket), env=environment)
        assert moved.returncode == 0, moved.stderr
        tables = "".join(path.read_text() for path in out.glob("tables/*.jsonl"))
        assert (out / "secret.key").read_text().strip() not in tables
        with running_server(
            url, bucket, folder=tmp_path / "second", environment=environment, **options
        ) as second:
            check_same_registry(second, token, key, checkpoint, receiver, made.secret)
        moved = first.run("backup", str(back), *places(url, bucket), env=environment)
        assert moved.returncode == 0, moved.stderr
        third = tmp_path / "third"
        moved = first.run("restore", str(back), "--data", str(third / "data"), env=secret_key)
        assert moved.returncode == 0, moved.stderr
        assert (third / "data" / "secret.key").exists() != by_setting
        with running_server(folder=third, environment=secret_key, **options) as last:
            check_same_registry(last, token, key, checkpoint, receiver, made.secret)
            raw = (last.data / "modelyard.db").read_bytes() + (last.data / "modelyard.db-wal").read_bytes()
            assert b"server.secret" not in raw
    postgres_server.drop_database(url)
