"""Subscriptions and deliveries, on both databases, to a receiver on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission, Role, Scope
from modelyard.domain.checkpoint import parse_checkpoint
from modelyard.domain.errors import (
    Denied,
    Invalid,
    ModelNotFound,
    ModelyardError,
    NamespaceNotFound,
    SubscriptionNotFound,
    TokenScopeTooNarrow,
)
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.keyring import Keyring
from modelyard.registry.outbox import delivery, rules
from modelyard.registry.outbox import usecases as outbox
from modelyard.registry.outbox.nouns import Delivery, Subscription
from modelyard.registry.outbox.senders import MailSettings, Sender
from modelyard.registry.outbox.usecases import NewSubscription
from modelyard.registry.outgoing import Allowed, Outgoing
from modelyard.registry.versions import aliases as version_aliases
from modelyard.worker.runner import LEASE_SECONDS, Runner
from modelyard.worker.works import delivery_works
from tests.support.clock import Clock
from tests.support.jobs import work_off
from tests.support.receiver import Receiver, running_receiver
from tests.support.registry import Registry

KEYRING = Keyring(b"k" * 32, "registry.test/log")
SCORER, OTHER = ModelName.parse("fraud/scorer"), ModelName.parse("fraud/other")


@dataclass
class Own:
    registry: Registry
    clock: Clock
    receiver: Receiver

    @property
    def db(self) -> Database:
        return self.registry.db

    @property
    def root(self) -> Actor:
        return self.registry.root

    def sender(self, allowed: str = "127.0.0.1", mail: MailSettings | None = None) -> Sender:
        return Sender(
            self.db,
            KEYRING,
            Outgoing(Allowed(allowed)),
            mail or MailSettings(),
            "https://registry.test",
            lambda: self.clock() / 1_000_000,
        )

    def subscribe(self, actor: Actor | None = None, **options: object) -> NewSubscription:
        options = {"kind": "webhook", "target": self.receiver.url, "namespace": "fraud", **options}
        return self.db.write(lambda tx: outbox.subscribe(tx, actor or self.root, KEYRING, **options))  # type: ignore[arg-type]

    def move(self, model: ModelName, alias: str = "champion", times: int = 1) -> None:
        """Each time two events: there and back."""
        for _ in range(times):
            for number in (1, 2):
                ref = Ref.parse(f"{model}:{number}")
                self.db.write(lambda tx, r=ref: version_aliases.set_alias(tx, self.root, r, Alias(alias)))  # type: ignore[misc]

    def deliver(self, sender: Sender | None = None) -> int:
        """Everything that is due now. Returns how many arrived."""
        before = len(self.receiver.accepted)
        while delivery.derive_deliveries(self.db):
            pass
        work_off(self.db, delivery_works(sender or self.sender()))
        return len(self.receiver.accepted) - before

    def log(self, made: NewSubscription, state: str | None = None) -> list[Delivery]:
        found = self.db.read(
            lambda tx: outbox.list_deliveries(tx, self.root, made.subscription.id, state, None, 1000)
        )
        return found[::-1]

    def show(self, made: NewSubscription) -> Subscription:
        return self.db.read(lambda tx: outbox.find_subscription(tx, self.root, made.subscription.id))


@pytest.fixture
def own(own_url: str) -> Iterator[Own]:
    clock = Clock()
    db = Database(own_url, clock=clock)
    registry = Registry(db)
    for model in (SCORER, OTHER):
        for n in range(2):
            registry.register(registry.root, str(model), facts={"params": {"n": n}}, aliases=("champion",))
    with running_receiver() as receiver:
        yield Own(registry, clock, receiver)
    db.close()


def test_events_arrive_signed_and_in_order(own: Own) -> None:
    made = own.subscribe()
    own.move(SCORER, times=5)
    own.move(OTHER, times=5)
    assert own.deliver() == 21
    assert made.secret is not None
    for model in ("fraud/scorer", "fraud/other"):
        seqs = [m.value["data"]["seq"] for m in own.receiver.messages if m.value["data"].get("model") == model]
        assert seqs == sorted(seqs)
        assert len(seqs) == 10
    for message in own.receiver.messages:
        value = Webhook(made.secret).verify(message.body, message.headers)
        assert message.id == f"msg_{made.subscription.id}_{value['id']}"
        assert parse_checkpoint(value["checkpoint"]).checkpoint.size > int(value["id"])
    assert own.deliver() == 0
    assert [d.state for d in own.log(made)] == ["done"] * 21


def test_only_what_was_chosen(own: Own) -> None:
    chosen = own.subscribe(event_kinds=["alias.*"], stages=["beta"])
    other = own.subscribe(model=OTHER, namespace=None)
    own.move(SCORER, "beta")
    own.move(SCORER, "canary")
    assert own.deliver() == 3
    told = {m.id: m.value["data"] for m in own.receiver.messages}
    mine = [value for message, value in told.items() if message.startswith(f"msg_{chosen.subscription.id}_")]
    assert [(v["kind"], v["data"]["alias"]) for v in mine] == [("alias.moved", "beta")] * 2
    assert [d.kind for d in own.log(other)] == ["subscription.created"]


def test_from_a_past_event(own: Own) -> None:
    made = own.subscribe(model=SCORER, namespace=None, from_event=0)
    own.deliver()
    kinds = [m.value["data"]["kind"] for m in own.receiver.messages]
    assert kinds[:2] == ["model.created", "version.registered"]
    assert kinds[-1] == "subscription.created"
    assert own.show(made).next_seq > 0


def test_a_failing_receiver_is_asked_again_in_order(own: Own) -> None:
    own.receiver.answer = lambda count, value: 500 if count < 3 else 204
    made = own.subscribe(model=SCORER, namespace=None)
    own.move(SCORER, times=3)
    for _ in range(3):
        assert own.deliver() == 0
        assert own.deliver() == 0
        own.clock.pass_seconds(60)
    assert own.deliver() == 7
    assert len({m.id for m in own.receiver.messages[:4]}) == 1
    seqs = [m.value["data"]["seq"] for m in own.receiver.accepted]
    assert seqs == sorted(seqs)
    assert own.log(made)[0].attempts == 4
    assert own.show(made).failures == 0


def test_one_model_that_fails_does_not_hold_up_the_others(own: Own) -> None:
    own.receiver.answer = lambda count, value: 500 if value["data"].get("model") == "fraud/scorer" else 204
    own.subscribe()
    own.move(SCORER, times=2)
    own.move(OTHER, times=2)
    own.deliver()
    assert {m.value["data"].get("model") for m in own.receiver.accepted} == {None, "fraud/other"}
    assert len(own.receiver.messages) == 1 + 1 + 4


def test_the_receiver_says_when_to_come_back(own: Own) -> None:
    own.receiver.answer = lambda count, value: (429, {"Retry-After": "1000"}) if count == 0 else 204
    own.subscribe(model=SCORER, namespace=None)
    own.deliver()
    own.clock.pass_seconds(990)
    assert own.deliver() == 0
    own.clock.pass_seconds(20)
    assert own.deliver() == 1


def test_dead_letters_are_kept_and_sent_again_on_request(own: Own) -> None:
    own.receiver.answer = lambda count, value: 500
    made = own.subscribe(model=SCORER, namespace=None)
    for _ in range(rules.MOST_ATTEMPTS):
        own.deliver()
        own.clock.pass_seconds(8000)
    assert [d.state for d in own.log(made)] == ["dead"]
    assert own.show(made).failures == rules.MOST_ATTEMPTS
    own.move(SCORER)
    own.receiver.answer = lambda count, value: 204
    own.clock.pass_seconds(8000)
    assert own.deliver() == 2
    assert own.db.write(lambda tx: outbox.replay(tx, own.root, made.subscription.id, None)) == 1
    assert own.deliver() == 1
    assert own.receiver.messages[-1].id == own.receiver.messages[0].id
    seq = own.log(made)[1].seq
    assert own.db.write(lambda tx: outbox.replay(tx, own.root, made.subscription.id, seq)) == 1
    assert own.deliver() == 1
    assert own.db.write(lambda tx: outbox.replay(tx, own.root, made.subscription.id, 10**9)) == 0


def test_a_receiver_that_keeps_failing_is_left_alone_for_a_while(own: Own) -> None:
    own.receiver.answer = lambda count, value: 503
    made = own.subscribe(model=SCORER, namespace=None)
    for _ in range(10):
        own.deliver()
        own.clock.pass_seconds(5000)
    own.deliver()
    paused = own.show(made).paused_until
    assert paused is not None
    assert paused > own.clock()
    asked = len(own.receiver.messages)
    own.db.write(lambda tx: outbox.replay(tx, own.root, made.subscription.id, own.log(made)[0].seq))
    assert own.deliver() == 0
    assert len(own.receiver.messages) == asked
    own.receiver.answer = lambda count, value: 204
    own.db.write(lambda tx: outbox.edit_subscription(tx, own.root, made.subscription.id, active=True))
    assert own.deliver() >= 1
    assert own.show(made).paused_until is None


def test_gone_means_disabled(own: Own) -> None:
    own.receiver.answer = lambda count, value: 410
    made = own.subscribe(model=SCORER, namespace=None)
    own.move(SCORER)
    own.deliver()
    own.clock.pass_seconds(100_000)
    own.deliver()
    assert len(own.receiver.messages) == 1
    assert (own.show(made).state, own.show(made).state_reason) == ("disabled", "the receiver answered 410 Gone")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404])
def test_everything_but_success_is_tried_again(own: Own, status: int) -> None:
    own.receiver.answer = lambda count, value: (status, {"Location": own.receiver.url}) if count == 0 else 204
    own.subscribe(model=SCORER, namespace=None)
    assert own.deliver() == 0
    assert len(own.receiver.messages) == 1
    own.clock.pass_seconds(10)
    assert own.deliver() == 1


def test_private_addresses_are_not_reached_and_the_log_says_so(own: Own) -> None:
    made = own.subscribe(model=SCORER, namespace=None)
    assert own.deliver(own.sender(allowed="")) == 0
    assert own.receiver.messages == []
    assert "not a public address" in (own.log(made)[0].error or "")


def test_a_process_that_dies_while_sending_leaves_it_to_the_lease(own: Own) -> None:
    made = own.subscribe(model=SCORER, namespace=None)
    own.move(SCORER)
    while delivery.derive_deliveries(own.db):
        pass
    taken = own.db.write(
        lambda tx: jobs.take(tx, "deliver", holder="dead", lease_seconds=LEASE_SECONDS, limit=9)
    )
    assert [(job.namespace, job.share) for job in taken] == [("fraud", f"subscription {made.subscription.id}")]
    own.clock.pass_seconds(LEASE_SECONDS - 1)
    assert own.deliver() == 0
    own.clock.pass_seconds(2)
    assert own.deliver() == 3
    assert [d.attempts for d in own.log(made)] == [1, 1, 1]


def test_a_new_secret_and_the_former_one_sign_together_for_a_day(own: Own) -> None:
    made = own.subscribe(model=SCORER, namespace=None)
    rotated = own.db.write(lambda tx: outbox.rotate_secret(tx, own.root, KEYRING, made.subscription.id))
    assert made.secret
    assert rotated.secret
    assert made.secret != rotated.secret
    own.deliver()
    for secret in (made.secret, rotated.secret):
        for message in own.receiver.messages:
            assert Webhook(secret).verify(message.body, message.headers)
    own.clock.pass_seconds(25 * 3600)
    own.move(SCORER)
    own.deliver()
    # The library compares with the present time, which here lies a day behind.
    last = own.receiver.messages[-1]
    own_signature = rules.sign(rotated.secret, last.id, int(last.headers["webhook-timestamp"]), last.body)
    assert last.headers["webhook-signature"] == own_signature
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(last.body, last.headers)


def test_secrets_are_stored_sealed(own: Own) -> None:
    made = own.subscribe()
    stored = own.show(made).secret
    assert stored is not None
    assert made.secret is not None
    assert made.secret.removeprefix("whsec_") not in stored
    assert KEYRING.unseal(stored, f"subscription {made.subscription.id}") == made.secret


def test_slack_gets_words(own: Own) -> None:
    own.subscribe(kind="slack", model=SCORER, namespace=None)
    assert own.deliver() == 1
    message = json.loads(own.receiver.messages[0].body)
    assert message == {"text": "root: subscription created, fraud/scorer\nhttps://registry.test"}
    assert "webhook-signature" not in own.receiver.messages[0].headers


# --- who may, and who is told -------------------------------------------------------------------------


def refusal(fn: object) -> type[ModelyardError] | None:
    try:
        fn()  # type: ignore[operator]
    except ModelyardError as error:
        return type(error)
    return None


def grant(own: Own, name: str, role: Role) -> None:
    own.db.write(
        lambda tx: access.grant_role(tx, own.root, catalog.namespace_holding(tx, own.root, "fraud"), name, role)
    )


def test_who_may_subscribe(own: Own) -> None:
    ada, eve, mia = own.registry.user(), own.registry.user(), own.registry.user()
    grant(own, ada.name, Role.CONTRIBUTOR)
    grant(own, mia.name, Role.MAINTAINER)
    assert refusal(lambda: own.subscribe(ada)) is Denied
    assert refusal(lambda: own.subscribe(eve)) is NamespaceNotFound
    assert refusal(lambda: own.subscribe(eve, model=SCORER)) is ModelNotFound
    assert refusal(lambda: own.subscribe(mia, namespace=None)) is Denied
    made = own.subscribe(mia)
    number = made.subscription.id
    for actor, expected in ((ada, SubscriptionNotFound), (eve, SubscriptionNotFound), (mia, None)):
        assert (
            refusal(lambda a=actor: own.db.read(lambda tx: outbox.find_subscription(tx, a, number))) is expected
        )
        assert refusal(lambda a=actor: own.db.write(lambda tx: outbox.replay(tx, a, number, None))) is expected
    assert [s.id for s in own.db.read(lambda tx: outbox.list_subscriptions(tx, mia, namespace="fraud"))] == [
        number
    ]
    own.db.write(lambda tx: outbox.unsubscribe(tx, mia, number))
    assert (
        refusal(lambda: own.db.read(lambda tx: outbox.find_subscription(tx, mia, number)))
        is SubscriptionNotFound
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pigeon"},
        {"target": "ftp://x/"},
        {"kind": "email", "target": "nobody"},
        {"event_kinds": ["alias.moves"]},
    ],
)
def test_wrong_subscriptions_are_refused(own: Own, wrong: dict[str, object]) -> None:
    assert refusal(lambda: own.subscribe(**wrong)) is Invalid


def test_nothing_is_told_that_its_maker_may_no_longer_read(own: Own) -> None:
    mia = own.registry.user()
    grant(own, mia.name, Role.MAINTAINER)
    own.subscribe(mia)
    own.deliver()
    told = len(own.receiver.messages)
    own.db.write(
        lambda tx: access.grant_role(
            tx, own.root, catalog.model_holding(tx, own.root, SCORER), mia.name, Role.NONE
        )
    )
    own.move(SCORER)
    own.move(OTHER)
    own.deliver()
    assert {m.value["data"].get("model") for m in own.receiver.messages[told:]} == {"fraud/other"}


def test_what_waits_is_for_who_decides_now_where_it_goes(own: Own) -> None:
    """Rights are asked when a letter goes out, and when deliveries are listed or sent again."""
    bob = own.registry.user("bob")
    grant(own, "bob", Role.MAINTAINER)

    def hide(tx: Transaction) -> None:
        access.grant_role(tx, own.root, catalog.model_holding(tx, own.root, OTHER), "bob", Role.NONE)

    own.db.write(hide)
    own.receiver.answer = lambda count, value: 503
    made = own.subscribe()
    own.move(OTHER)
    own.move(SCORER)
    assert own.deliver() == 0
    waiting = {each.seq for each in own.log(made)}
    own.db.write(
        lambda tx: outbox.edit_subscription(tx, bob, made.subscription.id, target=f"{own.receiver.url}/bob")
    )
    seen = own.db.read(lambda tx: outbox.list_deliveries(tx, bob, made.subscription.id, None, None, 1000))
    hidden = waiting - {each.seq for each in seen}
    assert 0 < len(hidden) < len(waiting)
    assert own.db.write(lambda tx: outbox.replay(tx, bob, made.subscription.id, min(hidden))) == 0
    own.receiver.answer = lambda count, value: 204
    own.clock.pass_seconds(3600)
    assert own.deliver() > 0
    sent = {message.value["data"].get("model") for message in own.receiver.accepted}
    assert "fraud/scorer" in sent
    assert "fraud/other" not in sent
    # Nothing of it is left for a next one.
    assert not {each.seq for each in own.log(made)} & hidden


def test_the_subscription_of_a_disabled_account_ends(own: Own) -> None:
    mia = own.registry.user()
    grant(own, mia.name, Role.MAINTAINER)
    made = own.subscribe(mia)
    own.db.write(lambda tx: access.edit_actor(tx, own.root, mia.name, access.ActorEdit(disabled=True)))
    assert own.deliver() == 0
    assert own.show(made).state == "disabled"


# --- the stream -----------------------------------------------------------------------------------------


def follow(own: Own, actor: Actor, after: int | None = -1, **options: object) -> list[str]:
    chosen = {"namespace": None, "model": None, "kinds": (), "after": after, **options}
    found: list[str] = []
    stream, place = own.db.read(lambda tx: outbox.open_stream(tx, actor, **chosen))  # type: ignore[arg-type]
    while True:
        page, further = own.db.read(lambda tx: outbox.follow(tx, actor, stream, place, 3))  # noqa: B023
        found += [json.loads(each.body)["kind"] for each in page]
        if further == place:
            return found
        place = further


def test_the_stream_shows_what_one_may_read(own: Own) -> None:
    ada, eve = own.registry.user(), own.registry.user()
    grant(own, ada.name, Role.READER)
    everything = follow(own, own.root)
    assert everything[0] == "server.initialised"
    seen = follow(own, ada)
    assert "version.registered" in seen
    assert "actor.created" not in seen
    assert follow(own, eve) == []
    assert follow(own, own.root, after=None) == []
    assert set(follow(own, ada, model=SCORER, kinds=["version.*"])) == {"version.registered"}
    assert refusal(lambda: follow(own, eve, model=SCORER)) is ModelNotFound
    narrow = Actor(ada.id, ada.name, scope=Scope(namespace="elsewhere"))
    assert follow(own, narrow) == []
    blind = Actor(ada.id, ada.name, scope=Scope(frozenset({Permission.MODEL_EDIT})))
    assert refusal(lambda: follow(own, blind)) is TokenScopeTooNarrow


# --- jobs of the queue ------------------------------------------------------------------------------------


def test_an_event_that_comes_while_the_last_one_is_sent_is_not_left_behind(own: Own) -> None:
    """It finds the job of its lane open, and makes no other one."""

    def answer(count: int, _: dict[str, Any]) -> int:
        if count == 0:
            own.move(SCORER)
            while delivery.derive_deliveries(own.db):
                pass
        return 204

    own.receiver.answer = answer
    made = own.subscribe(model=SCORER, namespace=None)
    assert own.deliver() == 3
    assert [d.state for d in own.log(made)] == ["done"] * 3


def test_a_slow_receiver_leaves_room_for_others(own: Own) -> None:
    for n in range(10):
        own.registry.register(own.root, f"fraud/model{n}")
    go_on = threading.Event()
    own.receiver.answer = lambda count, value: 204 if go_on.wait(30) else 500
    slow = own.subscribe(from_event=0)
    with running_receiver() as quick:
        own.subscribe(target=quick.url, model=SCORER, namespace=None)
        while delivery.derive_deliveries(own.db):
            pass
        runner = Runner(own.db, delivery_works(own.sender()), idle_seconds=0.02)
        runner.start()
        try:
            end = time.monotonic() + 20
            while not quick.messages:
                assert time.monotonic() < end, "the slow receiver holds up the other one"
                time.sleep(0.02)
            found = own.db.read(lambda tx: jobs.list_jobs(tx, own.root, None, 99, state="running"))
            # The job of the quick one may not have ended yet.
            assert [job.share for job in found].count(f"subscription {slow.subscription.id}") == 3
        finally:
            go_on.set()
            runner.stop()


# --- several processes ----------------------------------------------------------------------------------


def test_two_processes_send_each_event_once(own: Own, own_url: str) -> None:
    made = own.subscribe()
    own.move(SCORER, times=10)
    own.move(OTHER, times=10)
    other = Database(own_url)
    senders = [own.sender(), Sender(other, KEYRING, Outgoing(Allowed("127.0.0.1")), MailSettings(), "x")]
    runners = [Runner(sender.db, delivery_works(sender), idle_seconds=0.05) for sender in senders]
    own.clock.now = time.time_ns() // 1000
    for runner in runners:
        runner.start()
    while delivery.derive_deliveries(own.db):
        pass
    end = time.monotonic() + 20
    while len(own.receiver.messages) < 41 and time.monotonic() < end:
        time.sleep(0.05)
    for runner in runners:
        runner.stop()
    other.close()
    assert len(own.receiver.messages) == 41
    assert len({m.id for m in own.receiver.messages}) == 41
    for model in ("fraud/scorer", "fraud/other"):
        seqs = [m.value["data"]["seq"] for m in own.receiver.messages if m.value["data"].get("model") == model]
        assert seqs == sorted(seqs)
    assert {d.state for d in own.log(made)} == {"done"}


def test_a_test_message_says_what_the_receiver_answered(own: Own) -> None:
    number = own.subscribe().subscription.id
    found = outbox.send_test(own.db, own.sender().open, own.root, number)
    assert (found.accepted, found.status) == (True, 204)
    assert b"subscription.tested" in own.receiver.messages[-1].body
    refused = outbox.send_test(own.db, own.sender(allowed="").open, own.root, number)
    assert not refused.accepted
    assert "127.0.0.1" in refused.error
    with pytest.raises(SubscriptionNotFound):
        outbox.send_test(own.db, own.sender().open, own.registry.user(), number)
    assert own.db.read(lambda tx: outbox.list_deliveries(tx, own.root, number, None, None, 10)) == []


def test_a_subscription_shows_its_model_its_last_delivery_and_its_last_error(own: Own) -> None:
    number = own.subscribe(model=SCORER).subscription.id

    def shown() -> Subscription:
        return own.db.read(lambda tx: outbox.find_subscription(tx, own.root, number))

    assert (shown().model, shown().last_sent_at, shown().last_error) == (str(SCORER), None, None)
    own.move(SCORER)
    own.deliver()
    assert shown().last_sent_at is not None
    own.receiver.answer = lambda count, value: 500
    own.move(SCORER)
    own.deliver()
    found = shown()
    assert found.last_error == "the receiver answered 500"
    assert found.pending > 0
