"""The exchange of CI identity tokens: 25 tokens of which few are good; on both databases."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from modelyard.db.engine import Database
from modelyard.domain.actor import Actor, Permission, Role
from modelyard.domain.errors import (
    Denied,
    EmailNotAccepted,
    IdTokenRefused,
    Invalid,
    ModelyardError,
    NamespaceNotFound,
    ProviderUnavailable,
    PublisherNotFound,
    TokenInvalid,
)
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.oidc import rules
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.oidc.nouns import Publisher
from modelyard.registry.oidc.providers import Providers
from modelyard.registry.oidc.rules import Description
from modelyard.registry.oidc.usecases import Exchanged, SignInSettings
from modelyard.registry.outgoing import Outgoing, Reply
from tests.support.registry import Registry, unique

ISSUER = "https://ci.test"
AUDIENCE = "https://registry.test"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})
NEW_KEY = RSAKey.generate_key(2048, {"kid": "two"})
JOB = {
    "repository": "acme/churn",
    "repository_owner_id": "4711",
    "ref": "refs/heads/main",
    "job_workflow_ref": "acme/churn/.github/workflows/train.yml@refs/heads/main",
    "sha": "abc1",
}
DESCRIBED = Description("github", ISSUER, "acme/churn", "4711", "train.yml")


class Published(Outgoing):
    """Answers as the issuer would, without any network, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = [KEY]
        self.asked: list[str] = []
        self.broken = False

    def request(self, method: str, url: str, **options: Any) -> Reply:
        self.asked.append(url)
        if self.broken:
            return Reply(503, {}, b"")
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return Reply(200, {}, json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}).encode())
        keys = [key.as_dict(private=False) for key in self.keys]
        return Reply(200, {}, json.dumps({"keys": keys}).encode())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.published = Published()
        self.clock = Clock()
        self.providers = Providers(self.published, self.clock)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = self.db.clock() // 1_000_000
        value = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "job",
            "iat": now,
            "exp": now + 300,
            "jti": unique("jti"),
        }
        return {k: v for k, v in {**value, **JOB, **changes}.items() if v is not None}

    def token(self, key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
        algorithm = {"alg": "RS256", "kid": key.kid, **(header or {})}
        return jwt.encode(algorithm, self.claims(**changes), key, algorithms=["RS256", "HS256"])

    def exchange(self, token: str, namespace: str) -> Exchanged:
        return oidc.exchange(self.db, self.providers, token, AUDIENCE, namespace)


@pytest.fixture
def issuer(registry: Registry) -> Issuer:
    return Issuer(registry.db)


@pytest.fixture
def namespace(registry: Registry) -> Iterator[str]:
    name = unique("ci")
    registry.db.write(lambda tx: catalog.create_namespace(tx, registry.root, CatalogSettings(), name=name))
    yield name
    for each in registry.db.read(lambda tx: oidc.list_publishers(tx, registry.root, name)):
        registry.db.write(lambda tx, n=each.id: oidc.distrust_publisher(tx, registry.root, name, n))  # type: ignore[misc]


def trust(registry: Registry, namespace: str, actor: Actor | None = None, **options: Any) -> Publisher:
    described = options.pop("described", DESCRIBED)
    return registry.db.write(
        lambda tx: oidc.trust_publisher(tx, actor or registry.root, namespace, described, **options)
    )


def refusal(fn: Any) -> type[ModelyardError] | None:
    try:
        fn()
    except ModelyardError as error:
        return type(error)
    return None


def test_a_job_gets_a_token_for_its_namespace(registry: Registry, issuer: Issuer, namespace: str) -> None:
    publisher = trust(registry, namespace)
    made = issuer.exchange(issuer.token(), namespace)
    found = registry.db.read(lambda tx: access.authenticate(tx, made.secret))
    assert found.actor.name == publisher.account
    assert found.actor.scope.namespace == namespace
    assert found.expires_at is not None
    assert 890 < (found.expires_at - registry.db.clock()) / 1e6 <= 900
    registry.register(found.actor, f"{namespace}/scorer")
    with pytest.raises(ModelyardError):
        registry.register(found.actor, f"{unique('else')}/scorer")
    with pytest.raises(Denied):
        registry.db.write(lambda tx: access.create_token(tx, found.actor, name="wider", expires_in_days=1))
    with pytest.raises(Denied):
        trust(registry, namespace, found.actor)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def none_token(issuer: Issuer) -> str:
    return f"{encoded({'alg': 'none'})}.{encoded(issuer.claims())}."


def embedded_key(issuer: Issuer) -> str:
    return issuer.token(OTHER_KEY, {"jwk": OTHER_KEY.as_dict(private=False)})


def hmac_with_the_public_key(issuer: Issuer) -> str:
    """By hand: no library signs such a thing willingly."""
    head = encoded({"alg": "HS256", "kid": "one"})
    signed = f"{head}.{encoded(issuer.claims())}"
    signature = hmac.digest(KEY.as_pem(private=False), signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def tampered(issuer: Issuer) -> str:
    head, body, signature = issuer.token().split(".")
    value = json.loads(base64.urlsafe_b64decode(body + "=="))
    value["ref"] = "refs/heads/other"
    changed = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


@pytest.mark.parametrize(
    "make",
    [
        lambda i: "",
        lambda i: "rubbish",
        lambda i: "a.b.c",
        lambda i: "x" * 10_000_000,
        none_token,
        hmac_with_the_public_key,
        embedded_key,
        tampered,
        lambda i: i.token(OTHER_KEY),
        lambda i: i.token(NEW_KEY),
        lambda i: i.token(iss="https://evil.test"),
        lambda i: i.token(aud="https://other.test"),
        lambda i: i.token(aud=[AUDIENCE, "https://other.test"]),
        lambda i: i.token(exp=None),
        lambda i: i.token(exp=1),
        lambda i: i.token(iat=4_000_000_000, exp=4_000_000_300),
        lambda i: i.token(sub=None),
        lambda i: i.token(repository="evil/churn"),
        lambda i: i.token(repository_owner_id="666"),
        lambda i: i.token(ref="refs/pull/1/merge"),
        lambda i: i.token(job_workflow_ref="evil/x/.github/workflows/train.yml@refs/heads/main"),
        lambda i: i.token(repository=["acme/churn"]),
    ],
)
def test_other_tokens_get_nothing(registry: Registry, issuer: Issuer, namespace: str, make: Any) -> None:
    trust(registry, namespace)
    assert refusal(lambda: issuer.exchange(make(issuer), namespace)) is IdTokenRefused


def test_a_token_counts_once(registry: Registry, issuer: Issuer, namespace: str) -> None:
    trust(registry, namespace)
    for token in (issuer.token(), issuer.token(jti=None)):
        issuer.exchange(token, namespace)
        with pytest.raises(IdTokenRefused, match="used before"):
            issuer.exchange(token, namespace)
    assert issuer.exchange(issuer.token(), namespace).secret


def test_nobody_is_asked_about_issuers_that_nobody_trusts(issuer: Issuer, namespace: str) -> None:
    with pytest.raises(IdTokenRefused, match="no publisher of"):
        issuer.exchange(issuer.token(), namespace)
    assert issuer.published.asked == []


def test_keys_are_fetched_once_and_anew_at_most_once_a_minute(
    registry: Registry, issuer: Issuer, namespace: str
) -> None:
    trust(registry, namespace)
    for _ in range(3):
        issuer.exchange(issuer.token(), namespace)
    assert len(issuer.published.asked) == 2
    issuer.published.keys = [KEY, NEW_KEY]
    assert refusal(lambda: issuer.exchange(issuer.token(NEW_KEY), namespace)) is IdTokenRefused
    assert len(issuer.published.asked) == 2
    issuer.clock.now += 61
    issuer.exchange(issuer.token(NEW_KEY), namespace)
    assert len(issuer.published.asked) == 4


def test_an_issuer_that_does_not_answer(registry: Registry, issuer: Issuer, namespace: str) -> None:
    trust(registry, namespace)
    issuer.published.broken = True
    assert refusal(lambda: issuer.exchange(issuer.token(), namespace)) is ProviderUnavailable


def test_a_failure_is_remembered_for_a_minute(registry: Registry, issuer: Issuer, namespace: str) -> None:
    trust(registry, namespace)
    issuer.published.broken = True
    for _ in range(5):
        assert refusal(lambda: issuer.exchange(issuer.token(), namespace)) is ProviderUnavailable
    assert len(issuer.published.asked) == 1
    issuer.published.broken = False
    issuer.clock.now += 61
    assert issuer.exchange(issuer.token(), namespace).secret


def test_known_keys_hold_while_the_issuer_is_down(registry: Registry, issuer: Issuer, namespace: str) -> None:
    trust(registry, namespace)
    issuer.exchange(issuer.token(), namespace)
    issuer.published.broken = True
    asked = len(issuer.published.asked)
    for hours in (2, 10, 23):
        issuer.clock.now = hours * 3600
        for _ in range(3):
            assert issuer.exchange(issuer.token(), namespace).secret
    assert len(issuer.published.asked) == asked + 3
    assert refusal(lambda: issuer.exchange(issuer.token(NEW_KEY), namespace)) is ProviderUnavailable
    issuer.clock.now = 25 * 3600
    assert refusal(lambda: issuer.exchange(issuer.token(), namespace)) is ProviderUnavailable
    issuer.published.broken = False
    issuer.clock.now += 61
    assert issuer.exchange(issuer.token(), namespace).secret


def test_a_slow_issuer_holds_up_nobody_else() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    class Slow(Published):
        def request(self, method: str, url: str, **options: Any) -> Reply:
            if not url.startswith(ISSUER):
                arrived.set()
                assert go_on.wait(20)
                return Reply(503, {}, b"")
            return super().request(method, url, **options)

    providers = Providers(Slow(), Clock())
    waiting = threading.Thread(target=lambda: refusal(lambda: providers.find("https://slow.test")))
    waiting.start()
    assert arrived.wait(20)
    assert providers.find(ISSUER).issuer == ISSUER
    go_on.set()
    waiting.join(20)
    assert not waiting.is_alive()


def test_a_foreign_publisher_changes_nothing(registry: Registry, issuer: Issuer, namespace: str) -> None:
    other = unique("ci")
    registry.db.write(lambda tx: catalog.create_namespace(tx, registry.root, CatalogSettings(), name=other))
    mine = trust(registry, namespace)
    trust(registry, other, described=Description("other", ISSUER, claims={"sub": "*o*b"}))
    assert issuer.exchange(issuer.token(), namespace).publisher.id == mine.id
    assert refusal(lambda: issuer.exchange(issuer.token(), unique("none"))) is IdTokenRefused


@pytest.mark.parametrize("value", ["*" * 400 + "Z", "a**", "*a*b*c*", "x" * 501, ""])
def test_patterns_that_are_not_taken(registry: Registry, namespace: str, value: str) -> None:
    described = Description("other", ISSUER, claims={"sub": value, "job": "train"})
    assert refusal(lambda: trust(registry, namespace, described=described)) is Invalid
    if value:
        ref = Description("github", ISSUER, "acme/churn", "4711", "train.yml", ref=f"refs/heads/{value}")
        assert refusal(lambda: trust(registry, namespace, described=ref)) is Invalid


def test_several_namespaces_may_trust_one_job(registry: Registry, issuer: Issuer, namespace: str) -> None:
    other = unique("ci")
    registry.db.write(lambda tx: catalog.create_namespace(tx, registry.root, CatalogSettings(), name=other))
    trust(registry, namespace)
    there = trust(registry, other, role=Role.READER, model="scorer")
    made = issuer.exchange(issuer.token(), other)
    found = registry.db.read(lambda tx: access.authenticate(tx, made.secret)).actor
    assert (found.scope.namespace, found.scope.model) == (other, "scorer")
    registry.db.write(lambda tx: oidc.distrust_publisher(tx, registry.root, other, there.id))
    with pytest.raises(TokenInvalid):
        registry.db.read(lambda tx: access.authenticate(tx, made.secret))
    assert issuer.exchange(issuer.token(), namespace).publisher.namespace == namespace


def test_deleting_the_namespace_ends_its_publishers(registry: Registry, issuer: Issuer) -> None:
    name = unique("ci")
    registry.db.write(lambda tx: catalog.create_namespace(tx, registry.root, CatalogSettings(), name=name))
    trust(registry, name)
    made = issuer.exchange(issuer.token(), name)
    registry.db.write(lambda tx: catalog.delete_namespace(tx, registry.root, name))
    with pytest.raises(TokenInvalid):
        registry.db.read(lambda tx: access.authenticate(tx, made.secret))


def test_who_may_trust(registry: Registry, namespace: str) -> None:
    mia, eve = registry.user(), registry.user()
    registry.db.write(
        lambda tx: access.grant_role(
            tx,
            registry.root,
            catalog.namespace_holding(tx, registry.root, namespace),
            mia.name,
            Role.MAINTAINER,
        )
    )
    assert refusal(lambda: trust(registry, namespace, mia)) is Denied
    assert refusal(lambda: trust(registry, namespace, eve)) is NamespaceNotFound
    assert refusal(lambda: trust(registry, namespace, role=Role.OWNER)) is Invalid
    made = trust(registry, namespace)
    assert [p.id for p in registry.db.read(lambda tx: oidc.list_publishers(tx, mia, namespace))] == [made.id]
    assert (
        refusal(lambda: registry.db.write(lambda tx: oidc.distrust_publisher(tx, mia, namespace, made.id)))
        is Denied
    )
    elsewhere = unique("ci")
    registry.db.write(lambda tx: catalog.create_namespace(tx, registry.root, CatalogSettings(), name=elsewhere))
    assert (
        refusal(
            lambda: registry.db.write(lambda tx: oidc.distrust_publisher(tx, registry.root, elsewhere, made.id))
        )
        is PublisherNotFound
    )
    assert Permission.MEMBERS_MANAGE


# --- people ---------------------------------------------------------------------------------------------


def person(subject: str, **claims: Any) -> dict[str, Any]:
    return {"iss": "https://id.test", "sub": subject, **claims}


def signed_in(registry: Registry, claims: dict[str, Any], settings: SignInSettings | None = None) -> Actor:
    session = registry.db.write(lambda tx: oidc.sign_in(tx, claims, settings or SignInSettings({})))
    return registry.db.read(lambda tx: access.authenticate_session(tx, session))


def test_people_are_known_by_issuer_and_subject_alone(registry: Registry) -> None:
    name = unique("ada")
    first = signed_in(registry, person(unique("s"), preferred_username=name, email="ada@x.test"))
    subject = unique("s")
    second = signed_in(registry, person(subject, preferred_username=name, email="ada@x.test"))
    assert (first.name, second.name) == (name, f"{name}-2")
    assert signed_in(registry, person(subject, preferred_username="renamed")).id == second.id
    other = signed_in(registry, {"iss": "https://other.test", "sub": subject, "preferred_username": name})
    assert other.id not in (first.id, second.id)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"name": "A" * 300, "email": "a" * 250 + "@x.test"}, ("A" * 200, None)),
        ({"name": "A\0da", "email": "a\0@x.test"}, ("", None)),
        ({"name": "\ud800", "email": "\ud800@x.test"}, ("", None)),
        ({"name": 7, "email": ["a@x.test"]}, ("", None)),
        ({"name": "Ada", "email": "ada@x.test"}, ("Ada", "ada@x.test")),
    ],
    ids=["long", "nul", "no text", "other types", "as it should be"],
)
def test_what_a_provider_says_of_people_is_kept_where_it_can_be(
    registry: Registry, given: dict[str, Any], kept: tuple[str, str | None]
) -> None:
    """No one is kept out by a strange name; half an address would be a wrong one."""
    ada = signed_in(registry, person(unique("s"), preferred_username=unique("ada"), **given))
    row = registry.db.read(lambda tx: access.find_actor(tx, registry.root, ada.name))
    assert (row.display_name, row.email) == kept


def test_nobody_gets_in_uninvited_or_disabled(registry: Registry) -> None:
    closed = SignInSettings({}, create_accounts=False)
    assert refusal(lambda: signed_in(registry, person(unique("s")), closed)) is not None
    subject = unique("s")
    ada = signed_in(registry, person(subject))
    assert signed_in(registry, person(subject), closed).id == ada.id
    registry.db.write(
        lambda tx: access.edit_actor(tx, registry.root, ada.name, access.ActorEdit(disabled=True))
    )
    assert refusal(lambda: signed_in(registry, person(subject))) is not None


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"email": "ann@evil.test", "email_verified": True}, "vouches for ann@evil.test"),
        ({"email": "ann@acme.test.evil.test", "email_verified": True}, "only verified addresses at acme.test"),
        ({"email": "ann@sub.acme.test", "email_verified": True}, "sub.acme.test"),
        ({"email": "ann@acme.test"}, "without having verified it"),
        ({"email": "ann@acme.test", "email_verified": False}, "without having verified it"),
        ({}, "no e-mail address"),
    ],
)
def test_only_verified_addresses_of_the_listed_domains_sign_in(
    registry: Registry, claims: dict[str, Any], words: str
) -> None:
    settings = SignInSettings({}, email_domains=rules.parse_domains("@Acme.test, acme.example"))
    subject = unique("s")
    with pytest.raises(EmailNotAccepted) as refused:
        signed_in(registry, person(subject, **claims), settings)
    assert words in refused.value.message
    good = {"email": "Ann@ACME.test", "email_verified": True}
    assert not signed_in(registry, person(subject, **good), settings).is_anonymous
    # The address counts at each sign-in, not only at the first.
    with pytest.raises(EmailNotAccepted):
        signed_in(registry, person(subject, **claims), settings)


@pytest.mark.parametrize("text", ["acme", "acme test", "*.acme.test", "https://acme.test"])
def test_a_domain_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="oidc_email_domains"):
        rules.parse_domains(text)


def test_groups_follow_the_provider(registry: Registry) -> None:
    science, own = unique("science"), unique("own")
    settings = SignInSettings({"ds": [science], "ml-admins": ["admin"]})
    subject = unique("s")
    ada = signed_in(registry, person(subject, groups=["ds", "ml-admins", "unknown"]), settings)
    assert ada.is_admin

    def groups() -> list[str]:
        return registry.db.read(lambda tx: access.account_queries.list_groups_of(tx, ada.id))

    assert groups() == [science]
    registry.db.write(lambda tx: access.create_actor(tx, registry.root, name=own, kind=access.ActorKind.GROUP))
    registry.db.write(lambda tx: access.add_group_member(tx, registry.root, own, ada.name))
    again = signed_in(registry, person(subject, groups=[]), settings)
    assert not again.is_admin
    assert groups() == [own]
