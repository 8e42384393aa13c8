"""Choosing, wording, signing and patience, as tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from modelyard.domain.errors import Invalid
from modelyard.registry.outbox import rules
from modelyard.registry.outbox.rules import EventChoice

BODY: dict[str, Any] = {
    "seq": 42,
    "at": "2026-03-03T14:00:00.000000Z",
    "kind": "alias.moved",
    "actor": {"id": 1, "name": "ada"},
    "namespace": "fraud",
    "model": "fraud/scorer",
    "model_id": 3,
    "version": 12,
    "data": {"alias": "production", "reason": "better"},
}


@pytest.mark.parametrize(
    ("choice", "matches"),
    [
        (EventChoice(), True),
        (EventChoice(["alias.moved"]), True),
        (EventChoice(["alias.*"]), True),
        (EventChoice(["version.*", "model.created"]), False),
        (EventChoice(None, ["production"]), True),
        (EventChoice(None, ["staging"]), False),
        (EventChoice(["alias.*"], ["production", "staging"]), True),
        (EventChoice(["version.*"], ["production"]), False),
    ],
)
def test_which_events(choice: EventChoice, matches: bool) -> None:
    assert choice.matches(BODY) is matches


def test_an_event_without_a_stage_concerns_no_stage() -> None:
    assert not EventChoice(None, ["production"]).matches({"kind": "model.created", "data": {}})


@pytest.mark.parametrize("kind", ["alias.moves", "*", "nothing.*", "aliasmoved", ""])
def test_unknown_kinds_are_refused(kind: str) -> None:
    with pytest.raises(Invalid, match="not a known kind of event"):
        rules.check_kinds([kind])


@pytest.mark.parametrize(
    "address", ["", "a", "a@", "@b", "a b@c.d", "a@b\nBcc: c@d", "<a@b>", "a@b,c@d", "a@-b.c-"]
)
def test_wrong_mail_addresses_are_refused(address: str) -> None:
    with pytest.raises(Invalid):
        rules.check_email(address)


def test_a_receiver_with_the_reference_library_takes_the_signature() -> None:
    secret, now = rules.new_webhook_secret(), int(datetime.now(UTC).timestamp())
    body = rules.cloud_event(BODY, "https://registry.test", "checkpoint")
    headers = {
        "webhook-id": rules.message_id(7, 42),
        "webhook-timestamp": str(now),
        "webhook-signature": rules.sign(secret, rules.message_id(7, 42), now, body),
    }
    assert Webhook(secret).verify(body, headers)["id"] == "42"
    both = f"{rules.sign(rules.new_webhook_secret(), 'msg_7_42', now, body)} {headers['webhook-signature']}"
    assert Webhook(secret).verify(body, {**headers, "webhook-signature": both})
    for wrong in (
        (body + b" ", headers),
        (body, {**headers, "webhook-id": "msg_7_43"}),
        (body, {**headers, "webhook-timestamp": str(now - 3600)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(*wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(rules.new_webhook_secret()).verify(body, headers)


def test_a_cloud_event() -> None:
    value = json.loads(rules.cloud_event(BODY, "https://registry.test", "checkpoint"))
    assert value == {
        "specversion": "1.0",
        "id": "42",
        "source": "https://registry.test",
        "type": "dev.modelyard.alias.moved.v1",
        "time": "2026-03-03T14:00:00.000000Z",
        "subject": "fraud/scorer:12",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000042",
        "checkpoint": "checkpoint",
        "data": BODY,
    }


def test_words_for_people_carry_no_markup_into_slack() -> None:
    body = {**BODY, "data": {"reason": "<!channel> & <http://evil|click>\nnew line"}}
    text = json.loads(rules.slack_message(body, "https://registry.test"))["text"]
    assert "<" not in text
    assert text.startswith("ada: alias moved, fraud/scorer:12 (reason &lt;!channel&gt; &amp;")
    assert text.count("\n") == 1


def test_waiting_doubles_up_to_an_hour_and_heeds_the_receiver() -> None:
    waits = [rules.wait_seconds(n, 0.5) for n in range(1, 16)]
    assert waits[:3] == [2.0, 4.0, 8.0]
    assert max(waits) == 3600.0
    assert rules.wait_seconds(1, 0.0) == 1.0
    assert rules.wait_seconds(1, 0.5, retry_after=100.0) == 100.0
    assert rules.wait_seconds(1, 0.5, retry_after=1e9) == 3600.0


def test_the_breaker_opens_at_the_tenth_failure_in_a_row() -> None:
    assert [rules.pause_seconds(n) for n in (0, 9, 10, 11)] == [None, None, 15.0, 30.0]
    assert rules.pause_seconds(1000) == 3600.0


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30.0), (None, None), ("soon", None), ("-1", None), ("9" * 20, None)]
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert rules.parse_retry_after(text) == seconds
