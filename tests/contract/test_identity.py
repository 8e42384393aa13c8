"""What proves or changes identity, through the native door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.tables import events, grants, idempotency_keys, tokens
from modelyard.domain.actor import ActorKind
from modelyard.registry.access import secrets
from modelyard.registry.access import usecases as access
from modelyard.registry.access.attempts import Attempts
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.oidc.rules import Description, proposed_name
from tests.support.door import Door, assert_problem, digest_of
from tests.support.registry import unique

PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def _forget_cookies(door: Door) -> Iterator[None]:
    """The client keeps a session's cookie as a browser does."""
    yield
    door.client.cookies.clear()


def rows(door: Door, query: Any) -> list[Any]:
    return list(door.registry.db.read(lambda tx: tx.rows(query)))


def session_of(door: Door, name: str) -> dict[str, str]:
    """Headers of a browser in which the account is signed in."""
    link = door.registry.db.write(lambda tx: access.make_sign_in_link(tx, door.registry.find(name), name))
    session = door.registry.db.write(lambda tx: access.sign_in_by_link(tx, link))
    return {"cookie": f"modelyard_session={session}", "sec-fetch-site": "same-origin"}


IDENTITY: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "accounts/{me}/sign-in-link", None),
    ("PATCH", "accounts/{me}", {"password": PASSWORD}),
    ("PATCH", "accounts/{me}", {"email": "me@example.org"}),
    ("PATCH", "accounts/{me}", {"default_namespace": "elsewhere"}),
    ("POST", "tokens", {"name": "mine", "expires_in_days": 3650}),
    ("GET", "tokens", None),
    ("DELETE", "tokens/{other}", None),
]
OF_ADMINS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "accounts", {"name": "second-admin", "is_admin": True}),
    ("PATCH", "accounts/root", {"password": PASSWORD}),
    ("POST", "accounts/root/sign-in-link", None),
    ("POST", "tokens", {"name": "x", "owner": "root"}),
    ("GET", "tokens?everybody=true", None),
    ("PUT", "groups/{group}/members/{me}", None),
]


@pytest.fixture
def weak(door: Door) -> dict[str, Any]:
    """An admin and tokens of theirs that stand for no full sign-in, by kind."""
    admin = door.registry.user(is_admin=True)
    space = unique("space")
    door.register(f"{space}/scorer")
    own = door.as_(door.token_of(admin))
    found = {
        "scoped to verbs": door.token_of(admin, permissions=["model.pull"], expires_in_days=1 / 24),
        "scoped to a namespace": door.token_of(admin, namespace=space),
        "scoped to a model": door.token_of(admin, namespace=space, model="scorer"),
        "made by a token": own.call("POST", "tokens", json={"name": "child"}).json()["token"],
        "made by somebody else": door.call(
            "POST", "tokens", json={"name": "given", "owner": admin.name}
        ).json()["token"],
    }
    old = door.token_of(admin)
    door.registry.db.write(
        lambda tx: tx.execute(
            tokens.update().where(tokens.c.hash == secrets.hash_secret(old)).values(origin="unknown")
        )
    )
    other = own.get("tokens").json()["items"][-1]["id"]
    return {
        "me": admin.name,
        "other": other,
        "group": door.registry.group(),
        "tokens": {**found, "of an earlier release": old},
    }


@pytest.mark.parametrize(("method", "path", "body"), IDENTITY + OF_ADMINS, ids=lambda value: str(value)[:40])
def test_identity_takes_a_full_sign_in(
    door: Door, weak: dict[str, Any], method: str, path: str, body: dict[str, Any] | None
) -> None:
    for kind, token in weak["tokens"].items():
        before = door.rows()
        answer = door.call(method, path.format(**weak), token=token, json=body)
        assert answer.status_code == 403, kind
        assert answer.json()["code"] == "full_sign_in_needed", kind
        assert door.rows() == before, kind


def test_a_full_sign_in_reaches_it(door: Door) -> None:
    ann = door.registry.user()
    in_browser = session_of(door, ann.name)
    made = door.call("POST", "tokens", token=None, headers=in_browser, json={"name": "laptop"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    own = made.json()["token"]
    assert door.get("whoami", token=own).json()["is_full_sign_in"] is True
    assert door.call("PATCH", f"accounts/{ann.name}", token=own, json={"password": PASSWORD}).status_code == 200
    signed_in = door.call("POST", "session", token=None, json={"name": ann.name, "password": PASSWORD})
    assert signed_in.status_code == 204
    assert door.call("POST", f"accounts/{ann.name}/sign-in-link", token=own).status_code == 201
    child = door.call("POST", "tokens", token=own, json={"name": "ci"}).json()["token"]
    assert door.get("whoami", token=child).json()["is_full_sign_in"] is False


def test_the_owner_of_a_new_registry_makes_accounts_links_and_tokens(door: Door) -> None:
    name = unique("ann")
    assert door.call("POST", "accounts", json={"name": name}).status_code == 201
    assert door.call("POST", f"accounts/{name}/sign-in-link").status_code == 201
    assert door.call("POST", "tokens", json={"name": "laptop", "owner": name}).status_code == 201


def test_no_token_is_made_for_identity(door: Door) -> None:
    for verb in ("account.manage", "actors.manage"):
        answer = door.call("POST", "tokens", json={"name": "x", "permissions": [verb]})
        assert_problem(answer, 400, "invalid_request")


def test_a_token_ends_with_the_one_that_it_was_made_with(door: Door) -> None:
    ann = door.registry.user()
    parent = door.as_(door.token_of(ann, expires_in_days=1))
    made = parent.call("POST", "tokens", json={"name": "ci", "expires_in_days": 3650}).json()
    parent_ends = parent.get("tokens").json()["items"][-1]["expires_at"]
    assert made["expires_at"] == parent_ends
    assert door.get("whoami", token=made["token"]).status_code == 200
    # A token may always end itself.
    own = parent.get("whoami").json()["token_id"]
    assert parent.call("DELETE", f"tokens/{own}").status_code == 204
    assert door.get("whoami", token=made["token"]).status_code == 401


def test_a_narrow_token_may_end_itself_and_no_other(door: Door) -> None:
    ann = door.registry.user()
    narrow = door.as_(door.token_of(ann, permissions=[]))
    other = door.token_of(ann)
    own = narrow.get("whoami").json()["token_id"]
    assert narrow.call("DELETE", f"tokens/{own + 1}").status_code == 403
    assert narrow.call("DELETE", f"tokens/{own}").status_code == 204
    assert narrow.get("whoami").status_code == 401
    assert door.get("whoami", token=other).status_code == 200


def test_a_password_is_not_hashed_before_it_is_known_who_asks(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(secrets, "hash_password", lambda text: hashed.append(text) or "x")
    stranger = door.token_of(door.registry.user())
    for token in (None, stranger):
        door.call("PATCH", "accounts/root", token=token, json={"password": PASSWORD})
        door.call("POST", "accounts", token=token, json={"name": unique("x"), "password": PASSWORD})
    assert hashed == []


# --- tokens of one place ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"namespace": "{alpha}"},
        {"namespace": "{alpha}", "model": "scorer"},
        {"permissions": ["version.register", "namespace.read", "model.read", "model.create"]},
    ],
    ids=str,
)
def test_bytes_of_another_place_are_out_of_reach(door: Door, options: dict[str, Any]) -> None:
    alpha, beta = unique("alpha"), unique("beta")
    data = unique("secret bytes").encode()
    door.register(f"{alpha}/scorer")
    made = door.register(f"{beta}/secret", data)
    chosen = {k: v.format(alpha=alpha) if isinstance(v, str) else v for k, v in options.items()}
    narrow = door.as_(door.token_of(door.registry.root, **chosen))
    known = {"digest": digest_of(data), "size_bytes": len(data)}
    missing = narrow.call("POST", "blobs/missing", json={"blobs": [known]}).json()["missing"]
    assert missing == [digest_of(data)]
    files = [{"path": "x.bin", **known}]
    refused = narrow.call("POST", f"models/{alpha}/scorer/versions", json={"files": files})
    assert_problem(refused, 400, "missing_blobs")
    if "namespace" not in chosen:
        return
    # A parent by digest is looked for in the same way.
    parents = {"parents": [{"digest": made["digest"], "relation": "finetune"}]}
    child = narrow.register(f"{alpha}/scorer", unique("own").encode(), facts=parents)
    up = door.get(f"lineage?ref={child['reference']}&direction=up").text
    assert f"{beta}/secret" not in up


def test_what_a_narrow_token_sent_itself_is_within_its_reach(door: Door) -> None:
    alpha = unique("alpha")
    door.register(f"{alpha}/scorer")
    first, second = (door.as_(door.token_of(door.registry.root, namespace=alpha)) for _ in range(2))
    data = unique("own bytes").encode()
    entry = first.send(data)
    assert second.call("POST", f"models/{alpha}/scorer/versions", json={"files": [entry]}).status_code == 201


def test_a_token_without_reading_is_told_nothing_of_models(door: Door) -> None:
    space = unique("space")
    door.register(f"{space}/scorer")
    blind = door.as_(door.token_of(door.registry.root, permissions=["alias.move"]))
    assert blind.get("models").json()["items"] == []
    assert blind.get("namespaces").json()["items"] == []
    assert blind.get("runs").json()["items"] == []
    assert_problem(blind.get("subscriptions"), 403, "token_scope_too_narrow")


# --- answers to repeated requests ------------------------------------------------------------------


def test_a_stored_answer_is_for_the_token_that_asked(door: Door) -> None:
    body = {"name": f"{unique('space')}/scorer"}
    key = {"idempotency-key": unique("key")}
    assert door.call("POST", "models", json=body, headers=key).status_code in (404, 201)
    space = unique("space")
    assert door.call("POST", "namespaces", json={"name": space}, headers=key | {}).status_code in (201, 409)
    again = {"idempotency-key": unique("key")}
    made = door.call("POST", "namespaces", json={"name": unique("space")}, headers=again)
    assert made.status_code == 201
    narrow = door.token_of(door.registry.root, permissions=[])
    body = {"name": made.json()["name"]}
    refused = door.call("POST", "namespaces", token=narrow, json=body, headers=again)
    assert refused.status_code == 403
    assert door.call("POST", "namespaces", json=body, headers=again).headers["idempotent-replay"] == "true"


def test_a_body_cannot_be_guessed_from_what_is_stored_of_it(door: Door) -> None:
    import hashlib

    key = unique("key")
    raw = json.dumps({"name": unique("ann"), "password": PASSWORD}).encode()
    headers = {"idempotency-key": key, "content-type": "application/json"}
    assert door.call("POST", "accounts", content=raw, headers=headers).status_code == 201
    stored = rows(door, sa.select(idempotency_keys.c.request_hash).where(idempotency_keys.c.key == key))[0][0]
    assert stored != hashlib.sha256(b"POST /api/v1/accounts?\n" + raw).hexdigest()


# --- publishers, second identities -----------------------------------------------------------------

JOB = Description("github", repository="acme/churn", owner_id="4711", workflow="train.yml")


def test_a_publisher_of_one_model_holds_its_role_on_the_model(door: Door) -> None:
    space = unique("space")
    door.register(f"{space}/first")
    trusted = door.registry.db.write(
        lambda tx: oidc.trust_publisher(tx, door.registry.root, space, JOB, model="second")
    )
    held = rows(door, sa.select(grants.c.model_id).where(grants.c.actor_id == trusted.actor_id))
    assert [row[0] != 0 for row in held] == [True]
    account = door.as_(door.token_of(door.registry.find(trusted.account)))
    assert account.get(f"models/{space}/first").status_code == 404
    account.register(f"{space}/second")


def test_a_narrow_token_trusts_no_publisher(door: Door) -> None:
    space = unique("space")
    assert door.call("POST", "namespaces", json={"name": space}).status_code == 201
    narrow = door.token_of(door.registry.root, permissions=["members.manage", "namespace.read"])
    body = {"kind": "github", "repository": "a/b", "owner_id": "1", "workflow": "x.yml"}
    refused = door.call("POST", f"namespaces/{space}/publishers", token=narrow, json=body)
    assert_problem(refused, 403, "full_sign_in_needed")


def test_an_account_counts_as_who_made_it_and_two_people_as_two(door: Door) -> None:
    registry = door.registry
    boss = registry.user(is_admin=True)

    def made(maker: Any, kind: ActorKind = ActorKind.USER, **options: Any) -> Any:
        name = unique("made")
        registry.db.write(lambda tx: access.create_actor(tx, maker, name=name, kind=kind, **options))
        return registry.find(name)

    first, second = made(boss, is_admin=True), made(boss)
    robot, other_robot = made(boss, ActorKind.SERVICE), made(boss, ActorKind.SERVICE)
    grandchild = made(first)
    names = [each.name for each in (boss, first, second, robot, other_robot, grandchild)]
    same = registry.db.read(lambda tx: access.find_same_people(tx, names))
    assert set(same[boss.name]) == set(names) - {boss.name}
    assert second.name not in same[first.name]
    assert other_robot.name in same[robot.name]
    assert grandchild.name in same[first.name]
    assert grandchild.name not in same[second.name]


def test_nobody_approves_through_a_second_identity(door: Door) -> None:
    registry = door.registry
    owner = registry.user()
    space = unique("space")
    own = door.as_(door.token_of(owner))
    own.register(f"{space}/scorer")
    policy = (
        "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: [{approvals: {count: 1}}]}\n"
        "  - {to: production, rules: []}\n"
    )
    assert own.call("PUT", f"namespaces/{space}/policy", json={"text": policy}).status_code < 300
    trusted = registry.db.write(
        lambda tx: oidc.trust_publisher(tx, owner, space, JOB, role=access.Role.MAINTAINER)
    )
    asked = own.call(
        "POST", f"models/{space}/scorer/promotions", json={"version": 1, "stage": "staging", "request": True}
    ).json()
    robot = door.token_of(registry.find(trusted.account))
    at = f"promotions/{asked['promotion']['id']}"
    voted = door.call("POST", f"{at}/votes", token=robot, json={"approves": True}).json()
    assert voted["verdict"]["passed"] is False
    assert f"the same person as {owner.name}" in json.dumps(voted)
    other = registry.user()
    granted = own.call("PUT", f"namespaces/{space}/members/{other.name}", json={"role": "maintainer"})
    assert granted.status_code == 204
    done = door.call("POST", f"{at}/votes", token=door.token_of(other), json={"approves": True}).json()
    assert done["verdict"]["passed"] is True, done


# --- children of strangers -------------------------------------------------------------------------


def test_a_strangers_child_blocks_no_deletion_and_has_no_name(door: Door) -> None:
    space, eves = unique("open"), unique("eves")
    owner, eve = door.registry.user(), door.registry.user()
    own, hers = door.as_(door.token_of(owner)), door.as_(door.token_of(eve))
    own.register(f"{space}/scorer")
    own.call("PATCH", f"models/{space}/scorer", json={"visibility": "public"})
    hers.register(f"{eves}/c1", facts={"parents": [{"ref": f"{space}/scorer:1", "relation": "finetune"}]})
    answer = own.call("DELETE", f"models/{space}/scorer/versions/1", params={"reason": "personal data"})
    assert answer.status_code == 204
    assert eves not in own.get(f"models/{space}/scorer/history").text


def test_a_child_that_may_be_seen_blocks_until_its_owner_says_otherwise(door: Door) -> None:
    space = unique("space")
    door.register(f"{space}/parent")
    parents = {"parents": [{"ref": f"{space}/parent:1", "relation": "finetune"}]}
    door.register(f"{space}/child", facts=parents)
    # Also under a new name.
    assert door.call("POST", f"models/{space}/child/rename", json={"to": "renamed"}).status_code == 200
    at = f"models/{space}/parent/versions/1"
    refused = assert_problem(door.call("DELETE", at), 409, "has_dependents")
    assert f"{space}/renamed:1" in refused["detail"]
    assert "--orphan-children" in refused["fix"]
    assert door.call("DELETE", at, params={"orphan_children": "true"}).status_code == 400
    forced = {"orphan_children": "true", "reason": "personal data"}
    assert door.call("DELETE", at, params=forced).status_code == 204
    logged = door.get(f"models/{space}/parent/history").json()["items"][0]
    assert logged["data"]["orphans"] == [f"{space}/renamed:1"]


# --- who sees whom ---------------------------------------------------------------------------------


def test_addresses_are_for_oneself_and_admins(door: Door) -> None:
    ann = door.registry.user(email="ann@example.org")
    bob = door.registry.user()
    for token, seen in ((door.token_of(ann), True), (door.token_of(bob), False), (door.token, True)):
        assert (door.get(f"accounts/{ann.name}", token=token).json()["email"] is not None) is seen
        listed = door.get("accounts?limit=1000", token=token).text
        assert ("ann@example.org" in listed) is seen or token == door.token


def test_members_and_publishers_are_for_who_is_signed_in(door: Door) -> None:
    space = unique("open")
    assert door.call("POST", "namespaces", json={"name": space, "visibility": "public"}).status_code == 201
    door.register(f"{space}/scorer")
    assert door.get(f"namespaces/{space}", token=None).status_code == 200
    for path in (
        f"namespaces/{space}/members",
        f"models/{space}/scorer/members",
        f"namespaces/{space}/publishers",
    ):
        assert door.get(path, token=None).status_code == 401


def test_an_editor_of_a_subscription_lends_it_their_own_rights(door: Door) -> None:
    space = unique("space")
    door.register(f"{space}/secret")
    other = door.registry.user()
    door.call("PUT", f"namespaces/{space}/members/{other.name}", json={"role": "maintainer"})
    door.call("PUT", f"models/{space}/secret/members/{other.name}", json={"role": "none"})
    theirs = door.as_(door.token_of(other))
    for change in ("PATCH", "POST"):
        target = {"kind": "webhook", "target": "https://example.org/hook", "namespace": space}
        made = door.call("POST", "subscriptions", json=target)
        assert made.headers["cache-control"] == "no-store"
        at = f"subscriptions/{made.json()['id']}"
        assert made.json()["created_by"] == "root"
        if change == "PATCH":
            changed = theirs.call("PATCH", at, json={"target": "https://example.com/mine"})
        else:
            changed = theirs.call("POST", f"{at}/rotate")
        assert changed.json()["created_by"] == other.name
        paused = door.call("PATCH", at, json={"active": False})
        assert paused.json()["created_by"] == other.name


@pytest.mark.parametrize("name", ["nobody", "server", "anonymous", "system", "NOBODY"])
def test_names_that_the_server_uses_itself_are_reserved(door: Door, name: str) -> None:
    assert_problem(door.call("POST", "accounts", json={"name": name}), 400, "invalid_name")
    proposed = proposed_name({"preferred_username": name, "sub": "1"})
    made = door.registry.db.write(lambda tx: oidc._new_account(tx, proposed, ActorKind.USER, "", None))
    found = door.registry.db.read(lambda tx: access.account_queries.find_actor_by_id(tx, made))
    assert found is not None
    assert found.name != name.lower()


def test_names_are_folded_in_ascii_alone(door: Door) -> None:
    name = f"k{unique('mark')}"
    door.registry.user(name)
    assert door.get(f"accounts/{name.upper()}").json()["name"] == name
    kelvin = name.replace("k", "\N{KELVIN SIGN}", 1)
    assert_problem(door.get(f"accounts/{kelvin}"), 404, "actor_not_found")
    assert_problem(door.call("POST", "accounts", json={"name": "\N{KELVIN SIGN}arl"}), 400, "invalid_name")
    assert_problem(door.call("POST", "namespaces", json={"name": "\N{KELVIN SIGN}arl"}), 400, "invalid_name")


def test_an_auditor_sees_the_log_and_changes_nothing(door: Door) -> None:
    space = unique("space")
    door.register(f"{space}/scorer")
    auditor = door.as_(door.token_of(door.registry.user(is_auditor=True)))
    assert auditor.get("audit/events").status_code == 200
    assert auditor.get("audit/export").status_code == 200
    assert auditor.get(f"models/{space}/scorer").status_code == 200
    assert f"{space}/scorer" in [
        row["name"] for row in auditor.get(f"models?namespace={space}").json()["items"]
    ]
    files = auditor.get(f"models/{space}/scorer/versions/1/files").json()["items"]
    assert auditor.get(f"models/{space}/scorer/versions/1/files/{files[0]['path']}").status_code == 403
    assert auditor.call("POST", f"models/{space}/scorer/comments", json={"body": "x"}).status_code == 403
    assert auditor.call("PATCH", f"models/{space}/scorer", json={"description": "x"}).status_code == 403


# --- guessing --------------------------------------------------------------------------------------


def test_guessing_a_password_is_slowed_and_logged(door: Door) -> None:
    door.services.attempts = Attempts()
    name = unique("ann")
    assert door.call("POST", "accounts", json={"name": name, "password": PASSWORD}).status_code == 201
    wrong = {"name": name, "password": "not the password"}
    before = len(rows(door, sa.select(events.c.seq).where(events.c.kind == "sign_in.failed")))
    answers = [door.call("POST", "session", token=None, json=wrong) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 7
    assert int(answers[-1].headers["retry-after"]) >= 1
    told = rows(door, sa.select(events.c.body).where(events.c.kind == "sign_in.failed"))
    assert len(told) == before + 1
    assert json.loads(told[-1][0])["data"]["account"] == name
    # The right password waits as well; a link never does.
    right = {"name": name, "password": PASSWORD}
    assert door.call("POST", "session", token=None, json=right).status_code == 429
    link = door.call("POST", f"accounts/{name}/sign-in-link").json()["url"].partition("link=")[2]
    assert door.call("POST", "session", token=None, json={"link": link}).status_code == 204
    door.services.attempts = Attempts()


# --- manners of HTTP -------------------------------------------------------------------------------


def test_what_is_said_twice_is_refused(door: Door) -> None:
    model = f"{unique('space')}/scorer"
    door.register(model)
    bearer = f"Bearer {door.token}"
    twice = [("authorization", bearer), ("authorization", "Bearer x"), ("host", "127.0.0.1:8470")]
    assert door.client.get("/api/v1/whoami", headers=twice).status_code == 400
    raw = b'{"name": "aa", "name": "bb"}'
    nested = b'{"name": "aa", "tags": {"a": "1", "\\u0061": "2"}}'
    headers = {"content-type": "application/json"}
    for content in (raw, nested):
        answer = door.call("POST", "models", content=content, headers=headers)
        assert_problem(answer, 400, "invalid_request")
    packed = door.call("POST", "namespaces", content=b"{}", headers={**headers, "content-encoding": "gzip"})
    assert_problem(packed, 415, "unsupported_encoding")
    anything = {"if-match": "*"}
    missing = door.call("PUT", f"models/{model}/aliases/fresh", json={"version": 1}, headers=anything)
    assert_problem(missing, 412, "alias_moved")
    assert door.call("PUT", f"models/{model}/aliases/fresh", json={"version": 1}).status_code == 200
    present = door.call("PUT", f"models/{model}/aliases/fresh", json={"version": 1}, headers=anything)
    assert present.status_code == 200
    assert door.get(f"models/{model}").headers["cache-control"] == "private, no-cache"


# --- what is public --------------------------------------------------------------------------------


def test_public_models_show_what_they_are_and_not_who_works_on_them(door: Door) -> None:
    model = f"{unique('space')}/scorer"
    door.register(model)
    assert door.call("POST", f"models/{model}/comments", json={"body": "between us"}).status_code == 201
    edited = door.call("PATCH", f"models/{model}", json={"visibility": "public"}).json()
    assert "everybody" in edited["warning"]
    again = door.call("PATCH", f"models/{model}", json={"visibility": "private"}).json()
    assert again["warning"] is None
    assert door.call("PATCH", f"models/{model}", json={"visibility": "public"}).status_code == 200
    for path in ("comments", "promotions", "members", "versions/1/record", "versions/1/bom"):
        assert door.get(f"models/{model}/{path}", token=None).status_code == 401, path
        assert door.get(f"models/{model}/{path}").status_code == 200, path
    assert door.get(f"compare?ref={model}:1&ref={model}:2", token=None).status_code == 401
    for path in ("", "/versions/1", "/versions/1/manifest", "/versions/1/files"):
        assert door.get(f"models/{model}{path}", token=None).status_code == 200, path


# --- streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["revoked", "disabled", "signed out"])
def test_an_open_stream_ends_with_the_proof_it_was_opened_with(
    door: Door, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followed as the server does it, without a network: the answer's own body, piece by piece."""
    import asyncio

    from starlette.requests import Request

    from modelyard.api import events as stream
    from modelyard.doors import authentication as api_auth
    from modelyard.doors import following
    from modelyard.doors.call import Call
    from modelyard.wire.outbox import StreamQuery

    monkeypatch.setattr(following, "RECHECK_SECONDS", 0.0)
    monkeypatch.setattr(stream, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(following, "LONGEST_SECONDS", 30.0)
    ann = door.registry.user()
    token = door.token_of(ann)
    proof = {b"authorization": f"Bearer {token}".encode()}
    if ending == "signed out":
        proof = {b"cookie": session_of(door, ann.name)["cookie"].encode()}
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/events",
        "headers": list(proof.items()),
        "client": ("192.0.2.1", 1),
        "modelyard.headers": proof,
        "modelyard.request_id": "x",
    }

    async def follow() -> int:
        request = Request(scope)
        actor = await api_auth.authenticate(request, door.services)
        assert actor.name == ann.name
        call = Call(request, door.services, actor, 200)
        response: Any = await stream.follow_events(call, StreamQuery())
        pieces = aiter(response.body_iterator)
        await anext(pieces)
        if ending == "revoked":
            door.registry.db.write(lambda tx: access.revoke_token(tx, ann, actor.token_id or 0))
        elif ending == "disabled":
            edit = access.ActorEdit(disabled=True)
            door.registry.db.write(lambda tx: access.edit_actor(tx, door.registry.root, ann.name, edit))
        else:
            cookie = proof[b"cookie"].decode().partition("=")[2]
            door.registry.db.write(lambda tx: access.sign_out(tx, cookie))
        left = 0
        async with asyncio.timeout(20):
            async for _ in pieces:
                left += 1
        return left

    assert asyncio.run(follow()) == 0
