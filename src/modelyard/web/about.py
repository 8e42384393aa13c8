"""A model's rules and people: its policy in words, members, aliases; and its activity and discussion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Role
from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.domain.names import Alias, Ref
from modelyard.doors.errors import status_of
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.actions import find_actions
from modelyard.registry.comments import usecases as comments
from modelyard.registry.promotion.wording import describe_policy
from modelyard.registry.search import usecases as search
from modelyard.registry.versions import aliases
from modelyard.web.comments import read_activity
from modelyard.web.frame import PageTable, Visit, stale_form

table = PageTable()
_MODEL = "/models/{namespace}/{name}"
_ROLES = ("none", "auditor", "reader", "contributor", "maintainer", "owner")


async def _show(
    visit: Visit,
    template: str,
    read: Callable[[Transaction], dict[str, Any]],
    problem: ModelyardError | None,
    **values: Any,
) -> Response:
    """problem: why a form changed nothing; its input is kept."""

    def all_of_it(tx: Transaction) -> dict[str, Any]:
        found = search.show_model(tx, visit.actor, visit.model)
        return {"found": found, "may": find_actions(visit.actor, found.model), **read(tx)}

    found = await visit.look(all_of_it)
    return await visit.render(
        template,
        status=200 if problem is None else status_of(problem),
        problem=stale_form(problem),
        **found,
        **values,
    )


@table.get(f"{_MODEL}/about")
async def about(visit: Visit) -> Response:
    return await _about(visit)


async def _about(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        model, found = aliases.list_aliases(tx, visit.actor, visit.model)
        here = catalog.model_holding(tx, visit.actor, model.name)
        try:
            above = catalog.namespace_holding(tx, visit.actor, model.name.namespace)
            inherited = access.list_members(tx, visit.actor, above)
        except ModelyardError:
            # People with a role on the model alone do not see those of its namespace.
            inherited = []
        return {
            "aliases": [each for each in found if each.number is not None],
            "members": access.list_members(tx, visit.actor, here),
            "inherited": inherited,
            "policy": describe_policy(tx, visit.actor, model.name),
        }

    typed = {name: visit.given(name) for name in ("alias", "version", "account", "role", "reason", "owners")}
    return await _show(
        visit,
        "model_about.html",
        read,
        problem,
        typed=typed,
        roles=_ROLES,
        twin=f"/api/v1/models/{visit.model}/policy",
    )


async def _act(visit: Visit, done: str, action: Callable[[Transaction], object]) -> Response:
    try:
        await visit.write(action)
    except ModelyardError as error:
        return await _about(visit, error)
    return visit.go(f"/models/{visit.model}/about", done)


@table.post(f"{_MODEL}/aliases", operation="set_alias", command="alias set")
async def set_alias(visit: Visit) -> Response:
    name, number, reason = visit.given("alias"), visit.given("version"), visit.given("reason") or None
    text = f"{visit.model}:{number}"
    return await _act(
        visit,
        f"@{name} is v{number} now.",
        lambda tx: aliases.set_alias(tx, visit.actor, Ref.parse(text), Alias.parse(name), reason=reason),
    )


@table.post(f"{_MODEL}/aliases/remove", operation="remove_alias", command="alias remove")
async def remove_alias(visit: Visit) -> Response:
    name, seen = visit.given("alias"), visit.given("seen")
    return await _act(
        visit,
        f"@{name} was removed.",
        lambda tx: aliases.remove_alias(
            tx, visit.actor, visit.model, Alias.parse(name), seen=int(seen) if seen.isdigit() else None
        ),
    )


@table.post(f"{_MODEL}/members", operation="grant_model_role", command="namespace grant")
async def grant(visit: Visit) -> Response:
    account, word = visit.given("account"), visit.given("role")

    def work(tx: Transaction) -> None:
        if word not in _ROLES:
            raise Invalid(reason=f"{word[:40]!r} is not a role", fix=f"Use {', '.join(_ROLES)}")
        here = catalog.model_holding(tx, visit.actor, visit.model)
        access.grant_role(tx, visit.actor, here, account, Role.from_word(word))

    return await _act(visit, f"{account} is {word} of this model.", work)


@table.post(f"{_MODEL}/members/remove", operation="revoke_model_role", command="namespace revoke")
async def revoke(visit: Visit) -> Response:
    account = visit.given("account")

    def work(tx: Transaction) -> None:
        here = catalog.model_holding(tx, visit.actor, visit.model)
        access.revoke_role(tx, visit.actor, here, account)

    return await _act(visit, f"{account} has the role of the namespace again.", work)


@table.post(f"{_MODEL}/owners", operation="edit_model", command="edit")
async def set_owners(visit: Visit) -> Response:
    seen = visit.given("seen")
    owners = [name.strip() for name in visit.given("owners").split(",") if name.strip()]
    return await _act(
        visit,
        "The owners were changed.",
        lambda tx: catalog.edit_model(
            tx,
            visit.actor,
            visit.model,
            catalog.ModelEdit(owners=owners),
            int(seen) if seen.isdigit() else None,
        ),
    )


@table.get(f"{_MODEL}/activity")
async def model_activity(visit: Visit) -> Response:
    return await _activity(visit)


async def _activity(visit: Visit, problem: ModelyardError | None = None) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        return read_activity(tx, visit, None)

    return await _show(
        visit,
        "model_activity.html",
        read,
        problem,
        typed=visit.given("comment"),
        twin=f"/api/v1/models/{visit.model}/history",
    )


@table.post(f"{_MODEL}/comment", operation="write_comment", command="comment add")
async def comment_on_model(visit: Visit) -> Response:
    try:
        await visit.write(
            lambda tx: comments.write_comment(tx, visit.actor, visit.model, visit.given("comment"))
        )
    except ModelyardError as error:
        return await _activity(visit, error)
    return visit.go(f"/models/{visit.model}/activity", "Your comment was added.")
