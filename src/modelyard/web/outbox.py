"""Settings of subscriptions: list, create, change, test, deliveries, replay, new secret."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Permission
from modelyard.domain.errors import Denied, ModelyardError
from modelyard.domain.names import ModelName
from modelyard.registry.outbox import rules
from modelyard.registry.outbox import usecases as outbox
from modelyard.web.frame import PageTable, Visit
from modelyard.web.places import chosen_place, list_places, may, split_place, words_of

table = PageTable()
_PAGE = "/settings/subscriptions"
_ONE = f"{_PAGE}/{{id:number}}"
_ROWS = 50
_EVERYWHERE = "the whole server"


def _place(of: str) -> dict[str, Any]:
    """Return the place as the use cases take it. of: a namespace, a model, or the whole server."""
    if of == _EVERYWHERE:
        return {}
    namespace, model = split_place(of)
    return {"namespace": namespace} if model is None else {"model": ModelName(namespace, model)}


async def _list(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        places = list_places(tx, visit)
        if may(visit, Permission.SERVER_OPERATE):
            places = [_EVERYWHERE, *places]
        of = chosen_place(visit) or (places[0] if places else "")
        rows: list[Any] = []
        denied: Denied | None = None
        try:
            rows = outbox.list_subscriptions(tx, visit.actor, **_place(of)) if of else []
        except Denied as error:
            denied = error
        return {"places": places, "of": of, "rows": rows, "denied": denied}

    found = await visit.look(read)
    return await visit.show(
        "settings_subscriptions.html",
        problem,
        **found,
        kinds=rules.KINDS,
        everywhere=_EVERYWHERE,
        twin="/api/v1/subscriptions" if found["of"] == _EVERYWHERE else None,
    )


@table.get(_PAGE)
async def subscriptions(visit: Visit) -> Response:
    return await _list(visit)


@table.post(f"{_PAGE}/create", operation="create_subscription", command="subscription add")
async def create_subscription(visit: Visit) -> Response:
    """Only the answering page shows the secret of a webhook."""

    def work(tx: Transaction) -> outbox.NewSubscription:
        return outbox.subscribe(
            tx,
            visit.actor,
            visit.services.keyring,
            kind=visit.given("kind"),
            target=visit.given("target"),
            event_kinds=words_of(visit.given("event_kinds")) or None,
            stages=words_of(visit.given("stages")) or None,
            **_place(chosen_place(visit)),
        )

    try:
        made = await visit.write(work)
    except ModelyardError as error:
        return await _list(visit, error)
    number = made.subscription.id
    if made.secret is None:
        return visit.go(f"{_PAGE}/{number}", "The subscription was created.")
    return await _show(visit, number=number, secret=made.secret)


async def _show(
    visit: Visit,
    problem: ModelyardError | None = None,
    *,
    number: int | None = None,
    secret: str = "",
    test: outbox.Test | None = None,
) -> Response:
    """secret: of a new webhook; test: the receiver's answer to a test message."""
    chosen = int(visit.path["id"]) if number is None else number
    state, before = visit.chosen("state"), visit.chosen("before")

    def read(tx: Transaction) -> dict[str, Any]:
        found = outbox.find_subscription(tx, visit.actor, chosen)
        is_paused = found.state == "active" and found.paused_until is not None and found.paused_until > tx.now
        return {
            "row": found,
            "state": "paused" if is_paused else found.state,
            "deliveries": outbox.list_deliveries(
                tx,
                visit.actor,
                chosen,
                state or None,
                int(before) if before.isdigit() else None,
                _ROWS + 1,
            ),
        }

    found = await visit.look(read)
    deliveries = found.pop("deliveries")
    shown = deliveries[:_ROWS]
    more = f"{_PAGE}/{chosen}?state={state}&before={shown[-1].seq}" if len(deliveries) > _ROWS else None
    return await visit.show(
        "settings_subscription.html",
        problem,
        **found,
        deliveries=shown,
        chosen=state,
        more=more,
        secret=secret,
        test=test,
        twin=f"/api/v1/subscriptions/{chosen}",
    )


@table.get(_ONE)
async def subscription(visit: Visit) -> Response:
    return await _show(visit)


@table.post(f"{_ONE}/edit", operation="edit_subscription", command="subscription edit")
async def edit_subscription(visit: Visit) -> Response:
    number = int(visit.path["id"])
    target = visit.given("target")

    def work(tx: Transaction) -> None:
        present = outbox.find_subscription(tx, visit.actor, number)
        outbox.edit_subscription(
            tx,
            visit.actor,
            number,
            # An unchanged address keeps the account whose permissions apply.
            target=target if target != present.target else None,
            event_kinds=words_of(visit.given("event_kinds")),
            stages=words_of(visit.given("stages")),
        )

    return await visit.attempt(f"{_PAGE}/{number}", "The subscription was changed.", work, _show)


@table.post(f"{_ONE}/state", operation="edit_subscription", command="subscription edit")
async def set_state(visit: Visit) -> Response:
    number, active = int(visit.path["id"]), visit.given("active") == "1"
    return await visit.attempt(
        f"{_PAGE}/{number}",
        "Messages are sent again." if active else "No more messages are sent.",
        lambda tx: outbox.edit_subscription(tx, visit.actor, number, active=active),
        _show,
    )


@table.post(f"{_ONE}/test", operation="test_subscription", command="subscription test")
async def test_subscription(visit: Visit) -> Response:
    services, number = visit.services, int(visit.path["id"])
    try:
        found = await visit.in_thread(
            "providers", outbox.send_test, services.db, services.sender().open, visit.actor, number
        )
    except ModelyardError as error:
        return await _show(visit, error)
    return await _show(visit, test=found)


@table.post(f"{_ONE}/rotate", operation="rotate_secret", command="subscription rotate")
async def rotate_secret(visit: Visit) -> Response:
    """Only the answering page shows the new secret."""
    number = int(visit.path["id"])
    try:
        made = await visit.write(
            lambda tx: outbox.rotate_secret(tx, visit.actor, visit.services.keyring, number)
        )
    except ModelyardError as error:
        return await _show(visit, error)
    return await _show(visit, secret=made.secret or "")


@table.post(f"{_ONE}/replay", operation="replay_deliveries", command="subscription replay")
async def replay(visit: Visit) -> Response:
    """Send one event again, or all messages that were given up."""
    number, event = int(visit.path["id"]), visit.given("event")
    try:
        count = await visit.write(
            lambda tx: outbox.replay(tx, visit.actor, number, int(event) if event.isdigit() else None)
        )
    except ModelyardError as error:
        return await _show(visit, error)
    words = "message is" if count == 1 else "messages are"
    return visit.go(f"{_PAGE}/{number}", f"{count} {words} sent again.")


@table.post(f"{_ONE}/remove", operation="delete_subscription", command="subscription remove")
async def remove_subscription(visit: Visit) -> Response:
    number = int(visit.path["id"])
    return await visit.attempt(
        _PAGE,
        f"Subscription {number} was removed.",
        lambda tx: outbox.unsubscribe(tx, visit.actor, number),
        _show,
    )
