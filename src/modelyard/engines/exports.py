"""A deployment as files for a cluster, for those who apply them by themselves, such as by GitOps.

They name everything that must be there before, and hold no secret. The order stands in a ConfigMap whose name has a digest of its
content, so that the pods of an earlier revision keep theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from modelyard.domain.errors import Invalid
from modelyard.engines import manifests
from modelyard.engines.manifests import Object, PodOptions
from modelyard.wire.scorer import Wanted, WantedRevision

_OPTIONS = PodOptions()
_SPLITS = ("kserve", "knative")


class Parts:
    """What the forms of export are made of. images: by number of the revision, each by digest."""

    def __init__(self, wanted: Wanted, images: Mapping[int, str]) -> None:
        self.wanted = wanted
        self.name = manifests.object_name(wanted.deployment)
        self.serving = next(each for each in wanted.revisions if each.role == "serving")
        self.canary = next((each for each in wanted.revisions if each.role == "canary"), None)
        self.newest = self.canary or self.serving
        """The revision of the pods that are described; the other one runs already."""
        self.image = images[self.newest.number]

    @property
    def secret(self) -> str:
        return f"{self.name}-token"

    def order(self) -> Object:
        """Return the ConfigMap of the order, with its name."""
        made = manifests.config_map("", self.wanted, self.name, self.newest)
        digest = hashlib.sha256(str(made["data"]).encode()).hexdigest()[:10]
        made["metadata"]["name"] = f"{self.name}-order-{digest}"
        return made


def export(form: str, wanted: Wanted, images: Mapping[int, str]) -> dict[str, list[Object]]:
    """Return files by name, each with its objects. Raises Invalid."""
    maker = FORMS.get(form)
    if maker is None:
        raise Invalid(
            reason=f"{form[:40]!r} is not a form in which deployments are exported",
            fix=f"Use one of {', '.join(FORMS)}",
        )
    parts = Parts(wanted, images)
    if parts.canary is not None and form not in _SPLITS:
        raise Invalid(
            reason=f"{wanted.deployment} has a canary, and {form} cannot split requests",
            fix=f"Export it as {' or '.join(_SPLITS)}, or end the canary first",
        )
    return maker(parts)


def _kubernetes(parts: Parts) -> dict[str, list[Object]]:
    order, name, wanted = parts.order(), parts.name, parts.wanted
    pods = manifests.deployment(
        name,
        wanted,
        name,
        parts.serving,
        parts.image,
        order["metadata"]["name"],
        parts.secret,
        _OPTIONS,
        by_revision=False,
    )
    return {"deployment.yaml": [order, pods, manifests.service(name, wanted, name)]}


def _kserve(parts: Parts) -> dict[str, list[Object]]:
    order = parts.order()
    predictor: dict[str, Any] = {
        "minReplicas": parts.wanted.replicas,
        "maxReplicas": parts.wanted.replicas,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [manifests.container(parts.image, _OPTIONS, name="kserve-container")],
        "volumes": manifests.volumes(order["metadata"]["name"], parts.secret),
    }
    if parts.canary is not None:
        # The rest goes to the revision that was ready before.
        predictor["canaryTrafficPercent"] = parts.canary.weight
    about = manifests.metadata(parts.name, parts.wanted, parts.name, parts.newest)
    found = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": about,
        "spec": {"predictor": predictor},
    }
    return {"inferenceservice.yaml": [order, found]}


def _knative(parts: Parts) -> dict[str, list[Object]]:
    order = parts.order()
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "timeoutSeconds": 300,
        "containers": [manifests.container(parts.image, _OPTIONS)],
        "volumes": manifests.volumes(order["metadata"]["name"], parts.secret),
    }
    about = manifests.metadata(parts.name, parts.wanted, parts.name)
    template = manifests.metadata(_revision_name(parts, parts.newest), parts.wanted, parts.name, parts.newest)
    scale = str(parts.wanted.replicas)
    template["annotations"] |= {
        "autoscaling.knative.dev/min-scale": scale,
        "autoscaling.knative.dev/max-scale": scale,
    }
    shares = {parts.serving.number: 100}
    if parts.canary is not None:
        shares = {
            parts.serving.number: 100 - parts.canary.weight,
            parts.canary.number: parts.canary.weight,
        }
    traffic = [
        {"revisionName": f"{parts.name}-r{number}", "percent": percent} for number, percent in shares.items()
    ]
    found = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": about,
        "spec": {"template": {"metadata": template, "spec": pod}, "traffic": traffic},
    }
    return {"service.yaml": [order, found]}


def _revision_name(parts: Parts, revision: WantedRevision) -> str:
    return f"{parts.name}-r{revision.number}"


def _compose(parts: Parts) -> dict[str, list[Object]]:
    wanted = replace(parts.wanted, revisions=[parts.serving])
    spec = manifests.container(parts.image, _OPTIONS)
    environment = {each["name"]: each["value"] for each in spec["env"]}
    environment["MODELYARD_SCORER_TOKEN"] = "/run/secrets/token"  # noqa: S105 - the file
    service = {
        "image": parts.image,
        "environment": environment,
        "user": f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}",
        "configs": [{"source": "order", "target": environment["MODELYARD_SCORER_ORDER"]}],
        "secrets": ["token"],
        "ports": [f"127.0.0.1:{manifests.PORT}:{manifests.PORT}"],
        "read_only": True,
        "tmpfs": ["/tmp", "/run/modelyard:uid=10001,gid=10001,mode=0700"],  # noqa: S108 - in a container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "stop_grace_period": "45s",
        "mem_limit": "2g",
        "labels": {
            manifests.VERSION_NOTE: parts.serving.reference,
            manifests.DIGEST_NOTE: parts.serving.digest,
        },
    }
    # In texts of Compose, a dollar sign begins a variable.
    text = manifests.order_text(wanted, parts.serving).replace("$", "$$")
    return {
        "compose.yaml": [
            {
                "name": parts.name,
                "services": {"scorer": service},
                "configs": {"order": {"content": text}},
                "secrets": {"token": {"environment": "MODELYARD_SCORER_TOKEN_VALUE"}},
            }
        ]
    }


FORMS: dict[str, Callable[[Parts], dict[str, list[Object]]]] = {
    "kubernetes": _kubernetes,
    "kserve": _kserve,
    "knative": _knative,
    "compose": _compose,
}
