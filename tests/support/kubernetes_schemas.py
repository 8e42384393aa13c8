"""Closed JSON schemas of Kubernetes, KServe and Knative, and the rules of their controllers that no schema has."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Object = dict[str, Any]


@functools.cache
def _validator(kind: str) -> Draft202012Validator:
    found = json.loads(Path(__file__).with_suffix(".json").read_text())
    return Draft202012Validator({**found["kinds"][kind], "$defs": found["$defs"]})


def check_object(made: Object) -> None:
    """Fail for an object with an unknown field, a wrong type, or parts that do not fit together."""
    kind = f"{made['apiVersion']}/{made['kind']}"
    errors = [f"{error.json_path}: {error.message[:200]}" for error in _validator(kind).iter_errors(made)]
    assert not errors, f"{kind}: {errors}"
    _check_rules(made)


def _check_rules(made: Object) -> None:
    spec = made.get("spec", {})
    pods = {
        "Deployment": lambda: spec["template"]["spec"],
        "InferenceService": lambda: spec["predictor"],
    }.get(made["kind"], lambda: spec.get("template", {}).get("spec"))()
    if pods:
        (container,) = pods["containers"]
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted == {each["name"] for each in pods["volumes"]}
        assert "@sha256:" in container["image"], f"{container['image']} has no @sha256:"
        assert pods["automountServiceAccountToken"] is False
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["runAsNonRoot"]
        assert not security["allowPrivilegeEscalation"]
    if made["kind"] == "Deployment":
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()
    if "traffic" in spec:
        names = [each["revisionName"] for each in spec["traffic"]]
        assert sum(each["percent"] for each in spec["traffic"]) == 100
        assert len(set(names)) == len(names)
        assert spec["template"]["metadata"]["name"] in names
        assert all(name.startswith(f"{made['metadata']['name']}-") for name in names)
    if made["kind"] == "InferenceService":
        assert container["name"] == "kserve-container"
        assert len(container["ports"]) == 1
        percent = spec["predictor"].get("canaryTrafficPercent", 1)
        assert 0 < percent < 100, f"not 0 < {percent} < 100"
