"""The figures of a server with several processes are of all of them, whichever answers."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.support.postgres import PostgresServer
from tests.support.server import RunningServer, running_server

ASKED = 40
COUNT = re.compile(
    r'^modelyard_requests_total\{method="GET",route="/health",status="200"\} (\S+)', re.MULTILINE
)


@pytest.fixture
def workers(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[RunningServer]:
    url = postgres_server.create_database()
    with running_server(url, folder=tmp_path, workers=2, metrics_public=True) as running:
        yield running
    postgres_server.drop_database(url)


def scrape(server: RunningServer) -> str:
    # A connection of its own each time, so that another process may take it.
    return urllib3.request("GET", f"{server.url}/metrics", headers={"connection": "close"}).data.decode()


def value(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def settled(server: RunningServer) -> float:
    """The count of health requests, once eight scrapes in a row agree about it."""
    until = time.monotonic() + 30
    while True:
        counts = {float(found[1]) for _ in range(8) if (found := COUNT.search(scrape(server)))}
        if len(counts) == 1:
            return counts.pop()
        assert time.monotonic() < until, counts
        time.sleep(0.3)


def test_each_scrape_shows_all_processes_and_no_sum_falls_when_one_dies(workers: RunningServer) -> None:
    before = settled(workers)
    for _ in range(ASKED):
        urllib3.request("GET", f"{workers.url}/health", headers={"connection": "close"})
    time.sleep(1.5)
    counted = settled(workers)
    assert counted == before + ASKED
    text = scrape(workers)
    assert value(text, "modelyard_processes") == 2
    assert 'modelyard_build_info{release="' in text
    children = Path(f"/proc/{workers.pid}/task/{workers.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    time.sleep(2.5)
    assert settled(workers) >= counted
