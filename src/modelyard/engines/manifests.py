"""Objects of clusters that serve a deployment: the same for the Kubernetes target and for exports.

A pod runs the image of one version, whose scorer gets its order from a ConfigMap and the token from a Secret. It has no account,
no root rights, and nothing to write to but its own empty folders.

Sources: the reference of Kubernetes (apps/v1, v1); KServe, v1beta1 InferenceService; Knative Serving, v1 Service; the Compose
specification.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.wire.scorer import WANTED_FILE, Wanted, WantedRevision

PORT, STATE_PORT = 8080, 8081
"""At which pods answer callers, and the target."""
SERVICE_PORT = 80
_RUN, _ORDER, _TOKEN = "/run/modelyard", "/etc/modelyard/order", "/etc/modelyard/token"
CONTAINER = "scorer"
_USER = 10001
LEAVE_SECONDS = 5
_GRACE_SECONDS = 45
"""More than a scorer takes to leave, to answer what is open, and to end its workers."""
_PROGRESS_SECONDS = 600
DEPLOYMENT_LABEL, REVISION_LABEL = "modelyard.org/deployment", "modelyard.org/revision"
VERSION_NOTE, DIGEST_NOTE, NAME_NOTE = "modelyard.org/version", "modelyard.org/digest", "modelyard.org/name"
_MOST_NAME = 40

Object = dict[str, Any]


@dataclass(frozen=True)
class PodOptions:
    """cpu, memory: what a pod asks for, as Kubernetes writes it. memory_limit: more than that ends it. pull_secret: name of the
    Secret for the registry of images; "": none."""

    cpu: str = "250m"
    memory: str = "512Mi"
    memory_limit: str = "2Gi"
    pull_secret: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)


def object_name(deployment: str) -> str:
    """Return the name of the objects of an exported deployment: `fraud/cards` → `fraud-cards`. Names that cannot be kept as they
    are get the start of a digest."""
    plain = re.sub(r"[^a-z0-9-]+", "-", deployment.replace("/", "-").lower()).strip("-")
    if plain == deployment.replace("/", "-") and len(plain) <= _MOST_NAME:
        return plain
    return f"{plain[: _MOST_NAME - 9].rstrip('-')}-{hashlib.sha256(deployment.encode()).hexdigest()[:8]}"


def order_for(wanted: Wanted, revision: WantedRevision) -> Wanted:
    """Return the order for the pods of one revision, which serve it alone and have one worker each."""
    alone = replace(revision, role="serving", weight=100, sticky=None)
    cache = f"{_RUN}/cache"
    return replace(wanted, revisions=[alone], replicas=1, host="0.0.0.0", port=PORT, cache=cache)  # noqa: S104 - in a pod


def order_text(wanted: Wanted, revision: WantedRevision) -> str:
    return msgspec.json.format(msgspec.json.encode(order_for(wanted, revision)), indent=2).decode()


def no_image(reference: str) -> str:
    return f"{reference} has no image that a cluster can pull"


def make_image(reference: str) -> str:
    model, _, number = reference.rpartition(":")
    name = model.rpartition("/")[2]
    return f"Make one with: modelyard image build {reference} --tag REGISTRY/{name}:{number} --push"


# --- parts -----------------------------------------------------------------------------------------------


def metadata(name: str, wanted: Wanted, key: str, revision: WantedRevision | None = None) -> Object:
    """key: value of the label by which all objects of a deployment are found."""
    labels = {
        "app.kubernetes.io/name": "modelyard-scorer",
        "app.kubernetes.io/managed-by": "modelyard",
        DEPLOYMENT_LABEL: key,
    }
    notes = {NAME_NOTE: wanted.deployment}
    if revision is not None:
        labels[REVISION_LABEL] = str(revision.number)
        notes |= {VERSION_NOTE: revision.reference, DIGEST_NOTE: revision.digest}
    return {"name": name, "labels": labels, "annotations": notes}


def container(image: str, options: PodOptions, *, tells_state: bool = False, name: str = CONTAINER) -> Object:
    variables = {
        "MODELYARD_SCORER_ORDER": f"{_ORDER}/{WANTED_FILE}",
        "MODELYARD_SCORER_TOKEN": f"{_TOKEN}/token",
        "MODELYARD_SCORER_LEAVE_SECONDS": str(LEAVE_SECONDS),
        "HOME": _RUN,
    }
    if tells_state:
        variables["MODELYARD_SCORER_STATE"] = f"0.0.0.0:{STATE_PORT}"
    return {
        "name": name,
        "image": image,
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "startupProbe": _probe("live", period=2, failures=60),
        "livenessProbe": _probe("live", period=10, failures=6),
        # It is ready after its first own prediction, and not any more from the request to end on.
        "readinessProbe": _probe("ready", period=2, failures=1),
        "resources": {
            "requests": {"cpu": options.cpu, "memory": options.memory},
            "limits": {"memory": options.memory_limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "order", "mountPath": _ORDER, "readOnly": True},
            {"name": "token", "mountPath": _TOKEN, "readOnly": True},
            {"name": "run", "mountPath": _RUN},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container
        ],
    }


def _probe(what: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": f"/v2/health/{what}", "port": PORT},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def volumes(order: str, secret: str) -> list[Object]:
    """order, secret: names of the ConfigMap and the Secret."""
    return [
        # What podman reads must say that they are needed.
        {"name": "order", "configMap": {"name": order, "optional": False}},
        {"name": "token", "secret": {"secretName": secret, "optional": False}},
        {"name": "run", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]


def config_map(name: str, wanted: Wanted, key: str, revision: WantedRevision) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, wanted, key, revision),
        "data": {WANTED_FILE: order_text(wanted, revision)},
    }


def deployment(
    name: str,
    wanted: Wanted,
    key: str,
    revision: WantedRevision,
    image: str,
    order: str,
    secret: str,
    options: PodOptions,
    *,
    by_revision: bool,
) -> Object:
    """Return a Deployment of pods that serve a revision. order, secret: names of their ConfigMap and Secret. by_revision: there is one
    for each revision; otherwise a new revision takes over pod by pod, each after it is ready."""
    about = metadata(name, wanted, key, revision)
    labels = {DEPLOYMENT_LABEL: key}
    if by_revision:
        labels[REVISION_LABEL] = str(revision.number)
    pod: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {"fsGroup": _USER},
        "containers": [container(image, options, tells_state=by_revision)],
        "volumes": volumes(order, secret),
    }
    if options.pull_secret:
        pod["imagePullSecrets"] = [{"name": options.pull_secret}]
    if options.node_selector:
        pod["nodeSelector"] = dict(options.node_selector)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": about,
        "spec": {
            "replicas": wanted.replicas,
            "progressDeadlineSeconds": _PROGRESS_SECONDS,
            "selector": {"matchLabels": labels},
            # The old ones go only when new ones answer.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": about["labels"], "annotations": about["annotations"]},
                "spec": pod,
            },
        },
    }


def service(name: str, wanted: Wanted, key: str, revision: WantedRevision | None = None) -> Object:
    """Return the Service of a deployment. revision: the one whose pods get the requests; None: all pods."""
    selector = {DEPLOYMENT_LABEL: key}
    if revision is not None:
        selector[REVISION_LABEL] = str(revision.number)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, wanted, key),
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    }
