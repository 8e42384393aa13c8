"""What may be said about a deployment."""

from __future__ import annotations

from modelyard.domain.deployments import MAX_REPLICAS, ON_RECALL
from modelyard.domain.errors import Invalid
from modelyard.domain.names import ModelName

MAX_REASON = 2000


def parse_name(text: str, namespace: str) -> str:
    """Return the name of a deployment of a model in the namespace, from `name` or `namespace/name`. Raises InvalidName, Invalid."""
    parsed = ModelName.parse(text, namespace)
    if parsed.namespace != namespace:
        raise Invalid(
            reason=f"a deployment is in the namespace of its model, and {parsed} is not in {namespace}",
            fix=f"Call it {parsed.name}",
        )
    return parsed.name


def check_replicas(replicas: int) -> int:
    if not 1 <= replicas <= MAX_REPLICAS:
        raise Invalid(
            reason=f"{replicas} is not a number of replicas",
            fix=f"Give 1 to {MAX_REPLICAS}; to serve nothing: modelyard deployment stop",
        )
    return replicas


def check_on_recall(word: str) -> str:
    if word not in ON_RECALL:
        raise Invalid(
            reason=f"{word[:40]!r} is not a way to handle a recall", fix=f"Use {' or '.join(ON_RECALL)}"
        )
    return word


def clip(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 1] + "…"
