"""Choose, word and sign the messages of a subscription, and decide when they are tried again. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.domain.backoff import LONGEST_WAIT_SECONDS, backoff_seconds
from modelyard.domain.canonical import canonical_json
from modelyard.domain.errors import Invalid
from modelyard.domain.events import all_events

KINDS = ("webhook", "slack", "email")
MOST_ATTEMPTS = 16
_BREAKER_FAILURES = 10
_EMAIL = re.compile(r"[^\s@<>,;\"\\]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\Z", re.IGNORECASE)


class EventChoice(msgspec.Struct, frozen=True):
    """A choice of events; None means all. A kind may end in `.*`; stages are names of stages or aliases."""

    kinds: Sequence[str] | None = None
    stages: Sequence[str] | None = None

    def matches(self, body: dict[str, Any]) -> bool:
        kind = body["kind"]
        if self.kinds is not None and not any(
            kind == each or (each.endswith(".*") and kind.startswith(each[:-1])) for each in self.kinds
        ):
            return False
        if self.stages is None:
            return True
        data = body.get("data", {})
        return any(data.get(name) in self.stages for name in ("stage", "alias", "to_stage", "from_stage"))


def check_kinds(kinds: Sequence[str]) -> list[str]:
    """Raise Invalid for an unknown kind of event."""
    known = all_events()
    for kind in kinds:
        prefix = kind.removesuffix("*")
        if not (kind in known or (kind.endswith(".*") and any(each.startswith(prefix) for each in known))):
            raise Invalid(
                reason=f"{kind[:60]!r} is not a known kind of event",
                fix=f"Kinds are: {', '.join(sorted(known))}",
            )
    return sorted(set(kinds))


def check_email(address: str) -> str:
    if not _EMAIL.match(address):
        raise Invalid(
            reason=f"{address[:80]!r} is not an e-mail address", fix="Write one address, name@example.org"
        )
    return address


# --- form ----------------------------------------------------------------------------------------


def message_id(subscription_id: int, seq: int) -> str:
    """Return an id that is the same for every attempt and replay, so that receivers can drop duplicates."""
    return f"msg_{subscription_id}_{seq}"


def cloud_event(body: dict[str, Any], source: str, checkpoint: str) -> bytes:
    """Return the event as a CloudEvent 1.0 in JSON. checkpoint: the log's signed checkpoint, sent with it."""
    subject = body.get("model") or body.get("namespace")
    if subject is not None and "version" in body:
        subject = f"{subject}:{body['version']}"
    value = {
        "specversion": "1.0",
        "id": str(body["seq"]),
        "source": source,
        "type": f"dev.modelyard.{body['kind']}.v1",
        "time": body["at"],
        "subject": subject,
        "datacontenttype": "application/json",
        # The extension "sequence": ordered as text.
        "sequence": f"{body['seq']:020d}",
        "checkpoint": checkpoint,
        "data": body,
    }
    return canonical_json({name: item for name, item in value.items() if item is not None})


def new_webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message: str, timestamp: int, body: bytes) -> str:
    """Return the signature `v1,…` of the Standard Webhooks specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def sentence(body: dict[str, Any]) -> str:
    """Describe the event in one line for people."""
    where = body.get("model") or body.get("namespace") or "the registry"
    if "version" in body:
        where = f"{where}:{body['version']}"
    words = body["kind"].replace(".", " ").replace("_", " ")
    data = body.get("data", {})
    told = [f"{name} {data[name]}" for name in ("alias", "stage", "reason") if data.get(name)]
    text = f"{body['actor']['name']}: {words}, {where}" + (f" ({', '.join(told)})" if told else "")
    return re.sub(r"\s+", " ", text)[:1000]


def slack_message(body: dict[str, Any], url: str) -> bytes:
    """Return the message for incoming webhooks of Slack and of services with the same JSON."""
    text = sentence(body).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return canonical_json({"text": f"{text}\n{url}"})


# --- patience ------------------------------------------------------------------------------------


def wait_seconds(attempts: int, chance: float, retry_after: float | None = None) -> float:
    """Return how long to wait after failed attempt number `attempts`. chance: in [0, 1), spreads the retries."""
    wait = backoff_seconds(attempts, chance)
    if retry_after is not None:
        wait = max(wait, min(retry_after, LONGEST_WAIT_SECONDS))
    return wait


def pause_seconds(failures: int) -> float | None:
    """Return how long to pause an endpoint after this many failures in a row; None: no pause yet."""
    if failures < _BREAKER_FAILURES:
        return None
    return float(min(LONGEST_WAIT_SECONDS, 15.0 * 2 ** min(failures - _BREAKER_FAILURES, 10)))


def parse_retry_after(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None
