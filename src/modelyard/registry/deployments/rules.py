"""What may be said about a deployment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from modelyard.domain.deployments import (
    CANARY,
    MAX_GUARD_MINUTES,
    MAX_REPLICAS,
    MAX_STEP_MINUTES,
    MAX_STEPS,
    ON_RECALL,
)
from modelyard.domain.errors import Invalid
from modelyard.domain.names import ModelName

MAX_REASON = 2000
_STICKY = re.compile(r"(?:body\.[A-Za-z_][A-Za-z0-9_.-]{0,99}|[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100})")


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


def check_weight(role: str, weight: int) -> int:
    least = 0 if role == CANARY else 1
    if not least <= weight <= 100:
        raise Invalid(reason=f"{weight} is not a share in percent", fix=f"Give {least} to 100")
    return weight


def check_sticky(text: str | None) -> str | None:
    """Return the name of a header in small letters, or `body.` and a field; None: each request by itself."""
    if text is None or not text:
        return None
    if _STICKY.fullmatch(text) is None:
        raise Invalid(
            reason=f"{text[:60]!r} is neither a header nor a field of the body",
            fix="Write a header such as x-user-id, or a field such as body.user_id",
        )
    return text if text.startswith("body.") else text.lower()


def check_steps(steps: Sequence[int]) -> tuple[int, ...]:
    found = tuple(steps)
    is_rising = all(before < after for before, after in pairwise(found))
    if len(found) > MAX_STEPS or not is_rising or not all(1 <= step <= 100 for step in found):
        raise Invalid(
            reason=f"{', '.join(map(str, found[:30]))} are not steps of a canary",
            fix=f"Give at most {MAX_STEPS} rising shares from 1 to 100, as 1,5,25,100",
        )
    return found


def check_step_minutes(minutes: int) -> int:
    if not 1 <= minutes <= MAX_STEP_MINUTES:
        raise Invalid(reason=f"{minutes} is not a number of minutes", fix=f"Give 1 to {MAX_STEP_MINUTES}")
    return minutes


def check_guard_minutes(minutes: int) -> int:
    if not 0 <= minutes <= MAX_GUARD_MINUTES:
        raise Invalid(
            reason=f"{minutes} is not a number of minutes", fix=f"Give 0 (no guard) to {MAX_GUARD_MINUTES}"
        )
    return minutes


def clip(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 1] + "…"
