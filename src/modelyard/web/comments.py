"""Activity and discussion of a model and of its versions."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError
from modelyard.doors.errors import status_of
from modelyard.registry.audit.nouns import EventFilter
from modelyard.registry.audit.usecases import list_history
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.comments import usecases as comments
from modelyard.registry.comments.actions import find_actions
from modelyard.registry.comments.nouns import Comment
from modelyard.web.frame import PageTable, Visit, stale_form
from modelyard.web.version_frame import PATH, show_part

table = PageTable()
_EVENTS = 50
_COMMENTS = 100


def read_activity(tx: Transaction, visit: Visit, version: int | None) -> dict[str, Any]:
    """Return the events, newest first, and the comments, oldest first. version None: of the whole model."""
    before = visit.chosen("before")
    chosen = EventFilter(version=version)
    found = list_history(
        tx, visit.actor, visit.model, chosen, int(before) if before.isdigit() else None, _EVENTS + 1
    )
    model = catalog.find_model(tx, visit.actor, visit.model)
    listed = comments.list_comments(tx, visit.actor, visit.model, version=version, limit=_COMMENTS)
    return {
        "events": found[:_EVENTS],
        "more": f"?before={found[_EVENTS - 1].seq}" if len(found) > _EVENTS else None,
        "comments": listed,
        "may_change": {each.id for each in listed if find_actions(visit.actor, model, each).any},
    }


@table.get(f"{PATH}/activity")
async def version_activity(visit: Visit) -> Response:
    return await _show(visit)


async def _show(visit: Visit, problem: ModelyardError | None = None) -> Response:
    number = int(visit.path["version"])

    def read(tx: Transaction) -> dict[str, Any]:
        return read_activity(tx, visit, number)

    base = f"/api/v1/models/{visit.model}"
    return await show_part(
        visit,
        "version_activity.html",
        read,
        problem,
        typed=visit.given("comment"),
        twin=f"{base}/comments?version={number}",
    )


@table.post(f"{PATH}/comment", operation="write_comment", command="comment add")
async def comment_on_version(visit: Visit) -> Response:
    number = int(visit.path["version"])
    try:
        await visit.write(
            lambda tx: comments.write_comment(
                tx, visit.actor, visit.model, visit.given("comment"), version=number
            )
        )
    except ModelyardError as error:
        return await _show(visit, error)
    return visit.go(f"{visit.request.url.path.removesuffix('/comment')}/activity", "Your comment was added.")


_COMMENT = "/models/{namespace}/{name}/comments/{comment:number}"


def _place(visit: Visit, comment: Comment) -> str:
    """Return the page whose discussion holds the comment."""
    if comment.promotion_id is not None:
        return f"/promotions/{comment.promotion_id}"
    version = f"/versions/{comment.version}" if comment.version is not None else ""
    return f"/models/{visit.model}{version}/activity#discussion"


@table.get(_COMMENT)
async def comment(visit: Visit) -> Response:
    """Show one comment with its earlier texts, and the forms to change or delete it."""
    return await _comment(visit)


async def _comment(visit: Visit, problem: ModelyardError | None = None) -> Response:
    number = int(visit.path["comment"])

    def read(tx: Transaction) -> dict[str, Any]:
        model = catalog.find_model(tx, visit.actor, visit.model)
        found, earlier = comments.list_revisions(tx, visit.actor, visit.model, number)
        return {
            "comment": found,
            "earlier": earlier,
            "may": find_actions(visit.actor, model, found),
            "place": _place(visit, found),
        }

    base = f"/models/{visit.model}/comments/{number}"
    return await visit.render(
        "comment.html",
        status=200 if problem is None else status_of(problem),
        problem=stale_form(problem),
        typed=visit.given("comment"),
        base=base,
        twin=f"/api/v1{base}/history",
        **await visit.look(read),
    )


@table.post(f"{_COMMENT}/edit", operation="edit_comment", command="comment edit")
async def edit_comment(visit: Visit) -> Response:
    number, text, seen = int(visit.path["comment"]), visit.given("comment"), visit.given("seen")
    try:
        changed = await visit.write(
            lambda tx: comments.edit_comment(
                tx, visit.actor, visit.model, number, text, int(seen) if seen.isdigit() else None
            )
        )
    except ModelyardError as error:
        return await _comment(visit, error)
    return visit.go(_place(visit, changed), "Your comment was changed.")


@table.post(f"{_COMMENT}/delete", operation="delete_comment", command="comment delete")
async def delete_comment(visit: Visit) -> Response:
    number = int(visit.path["comment"])

    def work(tx: Transaction) -> Comment:
        found, _ = comments.list_revisions(tx, visit.actor, visit.model, number)
        comments.delete_comment(tx, visit.actor, visit.model, number)
        return found

    try:
        deleted = await visit.write(work)
    except ModelyardError as error:
        return await _comment(visit, error)
    return visit.go(_place(visit, deleted), "The text of the comment was deleted.")
