"""Every page × every role: the status that the rights say, no form that would be refused, nothing of a foreign namespace.

A page that is added later is walked too; one that needs a value which is not listed here fails by its name.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from modelyard.db.engine import Database
from modelyard.web.frame import Page
from modelyard.web.tables import TABLES
from tests.support.bad_files import trap
from tests.support.door import Door, Visitor, open_door
from tests.support.page_roles import fill_path, pattern_of, read_page, submit, undone_changes
from tests.support.promotion import Team, policy
from tests.support.registry import Registry

PAGES = [page for table in TABLES for page in table.pages if page.method == "GET"]
ROLES = ("anonymous", "reader", "contributor", "maintainer", "approver", "owner", "admin")
HIDDEN = "unseen-words"
RUN, DATASET = "ab" * 16, "transactions"
NUMBERS = {"plain": "1", "production": "2", "held": "3", "deprecated": "4", "recalled": "5", "newest": "6"}

READERS = ("reader", "contributor", "maintainer", "owner", "admin")
MAINTAINERS = READERS[2:]
NEEDED: dict[str, tuple[tuple[str, ...], int]] = {
    "/promotions/{id:number}": ((*READERS, "approver"), 404),
    "/models/{namespace}/{name}/versions/{version:number}/recall": (MAINTAINERS, 403),
    "/deployments/{namespace}/{deployment}/rollback": (MAINTAINERS, 403),
    "/settings/subscriptions/{id:number}": (MAINTAINERS, 404),
    "/settings/accounts/{account}": (ROLES[1:], 404),
    "/search": (ROLES[1:], 404),
    "/audit": (ROLES[1:], 404),
    # No run has files.
    "/runs/{run}/files/{path:path}": ((), 404),
    "/runs/{run}/images/{path:path}": ((), 404),
}
"""Page → the roles that see it, and the status for the other members. Of all others: members of the namespace, or all."""
OPEN = {"/settings/accounts/{account}": "accounts are known to everybody who is signed in"}


@dataclass(frozen=True)
class World:
    door: Door
    team: Team
    parameters: dict[str, str]
    foreign: dict[str, str]
    visitors: dict[str, Visitor]


@pytest.fixture(scope="module")
def world(sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    path = tmp_path_factory.mktemp("pages") / "own.db"
    shutil.copyfile(sqlite_template, path)
    db = Database(f"sqlite:///{path}")
    with open_door(Registry(db), pages=True) as door:
        team, other = Team(door.registry), Team(door.registry)
        parameters, foreign = fill(door, team), fill(door, other, HIDDEN)
        VALUES["/deployments/new version"] = f"{parameters['namespace']}/{parameters['name']}:2"
        people = {
            "anonymous": None,
            **{role: getattr(team, role) for role in ("reader", "contributor", "maintainer", "owner")},
            "approver": team.rita,
            "admin": door.registry.root,
        }
        visitors = {role: Visitor.of(door, people[role]) for role in ROLES}
        yield World(door, team, parameters, foreign, visitors)
    db.close()


def fill(door: Door, team: Team, words: str = "plain words") -> dict[str, str]:
    """Something of each kind in the team's namespace; returns the values for the addresses of pages."""
    space, model = team.namespace, team.model
    own = door.as_(door.token_of(team.owner))

    def ask(method: str, path: str, **body: Any) -> Any:
        answer = own.call(method, path, json=body)
        assert answer.status_code < 300, f"{path}: {answer.text}"
        return answer.json() if answer.content else None

    for n in range(2):
        team.push({"f1": 0.9 + n / 100})
    own.register(model, trap(), description=words)
    for _ in range(3):
        team.push({"f1": 0.5})
    team.promote(2, "staging")
    team.promote(1)
    team.promote(2)
    team.set_policy(policy(f"approvals: {{count: 2, group: {team.risk}}}"))
    ask("PUT", f"models/{model}/versions/4/deprecation", reason=words)
    ask("PUT", f"models/{model}/versions/5/recall", mode="refuse", reason=words)
    promotion = team.promote(6, open_only=True, reason=words).promotion
    assert promotion is not None
    comment = ask("POST", f"models/{model}/comments", body=words)
    ask("PATCH", f"models/{model}", description=words)
    ask("PUT", f"models/{model}/aliases/canary", version=1)
    subscription = ask("POST", "subscriptions", kind="webhook", target="https://example.org/", namespace=space)
    publisher = ask(
        "POST",
        f"namespaces/{space}/publishers",
        **{"kind": "github", "repository": "acme/churn", "owner_id": "4711", "workflow": "train.yml"},
    )
    ask("POST", f"namespaces/{space}/trusted-globals", name="acme.Layer", reason=words)
    digest = "sha256:" + space.encode().hex().ljust(64, "0")[:64]
    ask("POST", f"namespaces/{space}/datasets", entry={"name": DATASET, "digest": digest})
    run = RUN if words != HIDDEN else "cd" * 16
    ask("PUT", f"runs/{run}", experiment=f"{space}/tries", name=words)
    recipe = f"version: 1\nmodel: {model}\ntrain: echo {words}\n"
    build = door.call("POST", "builds", json={"recipe": recipe}).json()["id"]
    schedule = door.call("POST", "schedules", json={"build": build, "every": "1h"}).json()["id"]
    ask("POST", "deployments", version=f"{model}:2", reason=words)
    return {
        "build": build,
        "deployment": "scorer",
        "schedule": str(schedule),
        "namespace": space,
        "name": "scorer",
        "version": NUMBERS["newest"],
        "stage": "production",
        "id": str(promotion.id),
        "promotion": str(promotion.id),
        "subscription": str(subscription["id"]),
        "publisher": str(publisher["id"]),
        "run": run,
        "seq": str(own.get(f"audit/events?model={model}&limit=1").json()["items"][0]["seq"]),
        "account": team.reader.name,
        "comment": str(comment["id"]),
        "path": "none.txt",
    }


QUERIES: dict[str, list[str]] = {
    "/search": ["?q={namespace}", "?q=a"],
    "/models": ["", "?q=scorer"],
    "/models/{namespace}/{name}/compare": ["?v=1&v=2"],
    "/compare": ["?ref={namespace}/{name}:1&ref={namespace}/{name}:2"],
    "/lineage": ["", "?node={namespace}/{name}:1"],
    "/audit": ["", "?model={namespace}/{name}", "?stage=production&at=2091-01-01"],
    **{
        f"/settings/{each}": ["", "?of={namespace}"]
        for each in ("members", "publishers", "globals", "subscriptions")
    },
}
"""Addresses of pages that show more with a query."""


VALUES = {
    "reason": "because",
    "value": "30 2 * * *",
    "comment": "because",
    "body": "because",
    "text": policy(),
    "name": "made-here",
    "alias": "made-here",
    "again": "a long enough password",
    "version": "1",
    "repository": "acme/churn",
    "owner_id": "4711",
    "workflow": "train.yml",
    "/settings/globals/trust name": "acme.Other",
    "account": "root",
    "password": "a long enough password",
    "target": "https://example.org/hook",
}
"""What is typed into an empty field, by its name."""


def addresses(path: str, parameters: dict[str, str]) -> list[str]:
    """The addresses of a page, with each query; the pages of a version that its state changes, for each state."""
    values = dict(parameters)
    if path.startswith("/settings/subscriptions/"):
        values["id"] = parameters["subscription"]
    if path.startswith("/datasets/"):
        values["name"] = DATASET
    each = [values]
    if path.endswith("{version:number}"):
        each = [{**values, "version": number} for number in NUMBERS.values()]
    elif path.endswith(("/scan", "/deprecate", "/recall")):
        state = {"scan": "held", "deprecate": "deprecated", "recall": "recalled"}[path.rpartition("/")[2]]
        each = [values, {**values, "version": NUMBERS[state]}]
    return [fill_path(path + query, chosen) for chosen in each for query in QUERIES.get(path, [""])]


def expected(page: Page, address: str, role: str) -> int:
    """The status that the rights say."""
    if role == "anonymous" and not page.public:
        return 303
    if page.path.startswith("/catalogue/"):
        # Nothing here is public.
        return 404
    if page.path in NEEDED:
        roles, refusal = NEEDED[page.path]
    else:
        is_of_namespace = "{" in page.path or "=team" in address.replace("%2F", "/")
        roles, refusal = (READERS, 404) if is_of_namespace else (ROLES, 404)
    if role in roles:
        return 200
    # Somebody without an account is asked to sign in; then the answer is the same as for a name that is not there.
    return 303 if role == "anonymous" else refusal if role in READERS else 404


@pytest.mark.parametrize("role", ROLES)
def test_each_page_answers_as_the_rights_say(world: World, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, found = world.visitors[role], []
    sent: set[tuple[str, str]] = set()
    followed: Counter[str] = Counter()
    for page in PAGES:
        for address in addresses(page.path, world.parameters):
            answer = visitor.see(address)
            if answer.status_code != expected(page, address, role):
                found.append(f"{address} → {answer.status_code}, not {expected(page, address, role)}")
            if answer.status_code != 200 or "html" not in answer.headers["content-type"]:
                continue
            if role != "admin":
                hidden = (HIDDEN, world.foreign["namespace"])
                found += [f"{address} shows {word}" for word in hidden if word in answer.text]
            forms, links = read_page(answer.text)
            for form in forms:
                if form.method != "POST" or (form.action, form.button) in sent:
                    continue
                sent.add((form.action, form.button))
                with undone_changes(monkeypatch) as changes:
                    done = submit(visitor, form, VALUES)
                if not changes and done.status_code not in (200, 303):
                    found.append(f"{address} offers {form}, which ends with {done.status_code}")
            for link in links:
                # Of links that are alike the first two.
                followed[pattern_of(link)] += 1
                if followed[pattern_of(link)] <= 2 and visitor.see(link).status_code not in (200, 303):
                    found.append(f"{address} links to {link}, which ends with {visitor.see(link).status_code}")
    assert found == []
    assert len(sent) >= {"anonymous": 1, "approver": 9}.get(role, 11)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
def test_pages_of_a_foreign_namespace_are_not_there(world: World, role: str) -> None:
    visitor, found = world.visitors[role], []
    for page in PAGES:
        address = addresses(page.path, world.foreign)[-1]
        if address == addresses(page.path, world.parameters)[-1]:
            continue
        answer = visitor.see(address)
        # A page of settings or of a list may answer with an empty form that holds what was asked for, and no more.
        if HIDDEN in answer.text or (
            answer.status_code == 200 and "?" not in address and page.path not in OPEN
        ):
            found.append(f"{address} → {answer.status_code}")
    assert found == []


def test_a_form_that_would_be_refused_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader sends a form of the maintainer's page, with a proof of its own."""
    path = f"/models/{world.team.model}/versions/6"
    forms, _ = read_page(world.visitors["maintainer"].see(path).text)
    own, _ = read_page(world.visitors["reader"].see(path).text)
    (promote,) = [form for form in forms if form.button == "promote"]
    assert "promote" not in [form.button for form in own]
    promote.fields["csrf"] = own[0].fields["csrf"]
    with undone_changes(monkeypatch) as changes:
        answer = submit(world.visitors["reader"], promote, VALUES)
    assert (changes, answer.status_code) == ([], 403)


def test_a_page_that_needs_an_unknown_value_is_found(world: World) -> None:
    with pytest.raises(KeyError, match="thing"):
        addresses("/things/{thing}", world.parameters)
