"""Print the job that a build on Kubernetes asks for, with everything that a pool and a recipe can name. For `make manifests`."""

import json

from modelyard.engines.executor import Task
from modelyard.engines.kubernetes import KubernetesExecutor

executor = KubernetesExecutor(
    "pool", "registry.example.org/training:1", environments_claim="cache", node_selector={"zone": "a"}
)
task = Task("build-1", {"MODELYARD_BUILD": "1"}, "team", 1.5, 1, 1 << 30, 600)
print(json.dumps(executor.manifest(task), indent=2))
