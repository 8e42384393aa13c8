"""Print the objects with which a deployment runs on Kubernetes, by the target and as exported. For `make manifests`."""

import yaml

from modelyard.engines import exports, manifests
from modelyard.engines.manifests import PodOptions
from modelyard.wire.scorer import Wanted, WantedRevision

digest = f"sha256:{'1' * 64}"
image = f"registry.example.org/scorer@{digest}"
revision = WantedRevision(number=1, reference="fraud/scorer:1", digest=digest, image=image)
wanted = Wanted(
    generation=1,
    deployment="fraud/scorer",
    registry="https://models.example.org",
    cache="",
    revisions=[revision],
)
options = PodOptions(pull_secret="registry", node_selector={"zone": "a"})  # noqa: S106 - the name of one
name = "modelyard-1"
own = f"{name}-r1"
made = [
    manifests.config_map(own, wanted, name, revision),
    manifests.deployment(own, wanted, name, revision, image, own, f"{name}-token", options, by_revision=True),
    manifests.service(name, wanted, name, revision),
    *exports.export("kubernetes", wanted, {1: image})["deployment.yaml"],
]
print(yaml.safe_dump_all(made, sort_keys=False))
