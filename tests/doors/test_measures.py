"""Measures by the SDK and the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.registry import unique
from tests.support.server import RunningServer


def test_measures_by_sdk_and_command_line(server: RunningServer, tmp_path: Path) -> None:
    namespace = unique("measured")
    (tmp_path / "model.bin").write_bytes(namespace.encode())
    with server.client() as client:
        client.push(tmp_path / "model.bin", f"{namespace}/scorer", capture=False)
        client.promotions.promote(f"{namespace}/scorer:1", "production")
        month = client.measures.show(namespace=namespace).months[-1]
    assert (month.registered, month.promoted, month.requested, month.first_try) == (1, 1, 1, 1)
    told = server.run("measures", "--namespace", namespace)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("A model reaches production in ")
    assert f"{namespace}/scorer" in told.stdout
    answer = json.loads(server.run("measures", "--namespace", namespace, "--json").stdout)
    assert answer["months"][-1]["name"] == month.name
    refused = server.run("measures", "--since", "yesterday")
    assert refused.returncode != 0
    assert "Write for example 2026-03" in refused.stderr


def test_a_policy_file_in_the_place_of_the_namespace_is_named(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "gates.yaml").write_text("version: 1\n")
    refused = server.run("policy", "check", "gates.yaml", cwd=tmp_path)
    assert refused.returncode != 0
    assert "policy check NAMESPACE gates.yaml" in refused.stderr
