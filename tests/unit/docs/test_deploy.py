"""The files of deploy/ name settings, options, paths and probes that there are."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelyard.api.tables import TABLES
from modelyard.cli.admin import serve
from modelyard.server.bootstrap import check_settings
from modelyard.settings import Settings, comes_in_file, load_settings

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
SETTINGS = {f"MODELYARD_{spec.name.upper()}" for spec in fields(Settings)}
FROM_FILES = {f"MODELYARD_{spec.name.upper()}_FILE" for spec in fields(Settings) if comes_in_file(spec)}
CLIENT = {"MODELYARD_HOME"}
OPTIONS = {option for parameter in serve.params for option in (*parameter.opts, *parameter.secondary_opts)}
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def paths_of_api() -> set[str]:
    return {spec.path for table in TABLES for spec in table.specs}


@pytest.mark.parametrize(
    "file", [path for path in sorted(DEPLOY.rglob("*")) if path.is_file()], ids=lambda path: path.name
)
def test_every_variable_is_a_setting(file: Path) -> None:
    named = set(re.findall(r"\bMODELYARD_[A-Z0-9_]+", file.read_text()))
    assert named <= SETTINGS | FROM_FILES | CLIENT


def check_command(words: list[str]) -> None:
    assert words[0] == "serve"
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= OPTIONS


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_compose_file_starts_what_it_says() -> None:
    services = compose()["services"]
    assert set(services) == {"database", "bucket", "modelyard"}
    server = services["modelyard"]
    check_command(server["command"])
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert set(server["depends_on"]) == {"database", "bucket"}
    assert all("healthcheck" in services[name] for name in server["depends_on"])
    assert (
        DEPLOY / server["build"]["context"] / server["build"]["dockerfile"]
    ).resolve() == DEPLOY / "Containerfile"
    environment = {
        name: re.sub(
            r"\$\{(\w+)(:[-?]([^}]*))?\}",
            lambda m: "https://models.example" if m[1].endswith("URL") else "x" * 40,
            str(value),
        )
        for name, value in server["environment"].items()
    }
    settings = load_settings({"behind_proxy": True, "workers": 2, "host": "0.0.0.0"}, environment, None)
    check_settings(settings)
    used = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    assert used == set(compose()["volumes"])


def test_the_image_is_no_root_and_its_probe_exists() -> None:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", "")
    lines = dict(line.split(" ", 1) for line in text.splitlines() if re.match(r"[A-Z]+ ", line))
    assert lines["USER"].partition(":")[0] not in ("0", "root")
    assert lines["ENTRYPOINT"] == '["modelyard"]'
    check_command(yaml.safe_load(lines["CMD"]))
    # The probe follows the port, which users may set.
    assert "http://127.0.0.1:$MODELYARD_PORT/health" in lines["HEALTHCHECK"]
    assert f"MODELYARD_PORT={Settings().port}" in lines["ENV"]
    assert "/health" in paths_of_api()
    assert lines["EXPOSE"] == str(Settings().port)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("file", KUBERNETES, ids=lambda path: path.name)
def test_each_manifest_is_one_object(file: Path) -> None:
    value = yaml.safe_load(file.read_text())
    assert {"apiVersion", "kind"} <= set(value)


def test_the_base_names_its_files_and_only_them() -> None:
    base = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    others = {path.name for path in KUBERNETES} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(base["resources"]) == others
    for literal in base["configMapGenerator"][0]["literals"]:
        assert literal.partition("=")[0] in SETTINGS


def test_the_deployment_is_probed_and_locked_down() -> None:
    read = {path.stem: yaml.safe_load(path.read_text()) for path in KUBERNETES}
    labels = read["deployment"]["spec"]["selector"]["matchLabels"]
    pod = read["deployment"]["spec"]["template"]
    assert pod["metadata"]["labels"] == labels
    assert read["service"]["spec"]["selector"] == labels
    assert read["disruption"]["spec"]["selector"]["matchLabels"] == labels
    assert read["network"]["spec"]["podSelector"]["matchLabels"] == labels
    (container,) = pod["spec"]["containers"]
    check_command(container["args"])
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] in paths_of_api()
    # A database that is away makes a pod unready, and is no reason to restart it.
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    secrets = set(read["secret.example"]["stringData"])
    asked = {Path(e["value"]).name for e in container["env"] if e["name"].endswith("_FILE")}
    asked |= {e["valueFrom"]["secretKeyRef"]["key"] for e in container["env"] if "valueFrom" in e}
    assert asked == secrets
    assert read["network"]["spec"]["ingress"][0]["ports"][0]["port"] == container["ports"][0]["containerPort"]


def test_the_unit_starts_a_server_and_keeps_its_data() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DEPLOY / "modelyard.service").read_text())
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/modelyard")
    check_command(words)
    data = words[words.index("--data") + 1]
    assert data == f"/var/lib/{unit['Service']['StateDirectory']}"
    assert unit["Service"]["DynamicUser"] == "yes"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "modelyard.service"
    text = (DEPLOY / "modelyard.service").read_text()
    # It must name a program that exists.
    unit.write_text(text.replace("/opt/modelyard/bin/modelyard", sys.executable))
    assert unit.read_text() != text
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
