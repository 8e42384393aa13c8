"""Settings of policies: the list, and an editor that tries a draft on past promotions before it is saved."""

from __future__ import annotations

import difflib
import hashlib
from typing import Any

import msgspec
from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Permission
from modelyard.domain.errors import Conflict, Denied, InvalidPolicy, ModelyardError
from modelyard.domain.names import parse_namespace
from modelyard.domain.times import MICROSECONDS
from modelyard.doors.errors import status_of
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.promotion import policies
from modelyard.registry.promotion.replay import Replayed, replay
from modelyard.registry.promotion.schema import example_policy
from modelyard.web.frame import PageTable, Visit, stale_form
from modelyard.web.places import may

table = PageTable()
_PAGE = "/settings/policies"
_OF_NAMESPACE = f"{_PAGE}/{{namespace}}"
_OF_MODEL = f"{_PAGE}/{{namespace}}/{{name}}"
_ROWS = 100
_SHOWN = 200
_DAYS = (30, 90, 365)
_DAY = 24 * 3600 * MICROSECONDS


class Line(msgspec.Struct, frozen=True):
    """A line of a draft, as the page shows it. mark: added, changed, or empty."""

    number: int
    text: str
    mark: str = ""
    problem: str = ""


class Trial(msgspec.Struct, frozen=True):
    """A draft judged without saving it."""

    weakens: list[str]
    promotions: list[Replayed]
    """Those with another outcome first."""

    @property
    def differing(self) -> int:
        return sum(each.differs for each in self.promotions)


@table.get(_PAGE)
async def list_policies(visit: Visit) -> Response:
    after = visit.chosen("after") or None

    def read(tx: Transaction) -> list[Any]:
        names = [row.name for row in catalog.list_namespaces(tx, visit.actor, after, _ROWS + 1)]
        return [policies.show_policy(tx, visit.actor, name, None) for name in names]

    rows = await visit.look(read)
    shown = rows[:_ROWS]
    return await visit.render(
        "settings_policies.html",
        rows=shown,
        more=f"{_PAGE}?after={shown[-1].owner.name}" if len(rows) > _ROWS else None,
    )


def _owner(visit: Visit) -> tuple[str, str | None]:
    if "name" in visit.path:
        return visit.model.namespace, visit.model.name
    return parse_namespace(visit.path["namespace"]), None


def _lines(before: str, draft: str, problem: InvalidPolicy | None) -> list[Line]:
    """Return the lines of a draft, with what differs from the policy in force and the problem under its line."""
    after = draft.splitlines()
    marks: dict[int, str] = {}
    for tag, _, _, start, end in difflib.SequenceMatcher(
        None, before.splitlines(), after, autojunk=False
    ).get_opcodes():
        if tag in ("insert", "replace"):
            marks |= dict.fromkeys(range(start, end), "changed" if tag == "replace" else "added")
    wrong = problem.fields["line"] - 1 if problem is not None else -1
    reason = problem.fields["reason"] if problem is not None else ""
    return [
        Line(number + 1, text, marks.get(number, ""), reason if number == wrong else "")
        for number, text in enumerate(after[:1000])
    ]


async def _edit(
    visit: Visit,
    problem: ModelyardError | None = None,
    *,
    trial: Trial | None = None,
    unconfirmed: list[str] | None = None,
) -> Response:
    """unconfirmed: the gates that saving would weaken, which the visitor has not confirmed yet."""
    namespace, model = _owner(visit)

    def read(tx: Transaction) -> dict[str, Any]:
        view = policies.show_policy(tx, visit.actor, namespace, model)
        may_edit = may(visit, Permission.POLICY_EDIT, view.owner.place)
        why_not = "" if may_edit else f"Maintainers and owners of {view.owner.name} edit its policy."
        if may_edit:
            try:
                policies.check_editor(tx, visit.actor, view.owner, by_hand=True)
            except (Denied, Conflict) as error:
                may_edit, why_not = False, str(error)
        _, history = policies.list_policy_versions(tx, visit.actor, namespace, model, None, 20)
        return {"view": view, "may_edit": may_edit, "why_not": why_not, "history": history}

    found = await visit.look(read)
    view = found["view"]
    present = view.own.text if view.own else ""
    typed = visit.form["text"][0].replace("\r\n", "\n") if "text" in visit.form else None
    draft = typed if typed is not None else present
    invalid = problem if isinstance(problem, InvalidPolicy) else None
    # The problem of a line is shown under its line.
    return await visit.render(
        "settings_policy.html",
        status=200 if problem is None else status_of(problem),
        problem=None if invalid is not None else stale_form(problem),
        **found,
        invalid=invalid,
        path=f"{_PAGE}/{view.owner.name}",
        draft=draft,
        is_draft=typed is not None,
        example=example_policy(visit.actor.name),
        lines=_lines(present, draft, invalid) if typed is not None else [],
        trial=trial,
        unconfirmed=unconfirmed,
        confirm=_digest(draft),
        days=visit.given("days") or str(_DAYS[1]),
        all_days=_DAYS,
        shown=_SHOWN,
        twin=f"/api/v1/{'models' if model else 'namespaces'}/{view.owner.name}/policy",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(visit: Visit) -> str:
    """Return the draft with its line breaks as they were typed, so that the lines of problems are right."""
    text = visit.form.get("text", [""])[0].replace("\r\n", "\n")
    return text if text.endswith("\n") or not text else text + "\n"


def _correct(visit: Visit) -> None:
    """Put the proposed word in place of the wrong one, if the visitor asked for that."""
    line, _, words = visit.given("write").partition(":")
    wrong, _, right = words.partition(":")
    lines = visit.form.get("text", [""])[0].replace("\r\n", "\n").split("\n")
    if line.isdigit() and 0 < int(line) <= len(lines) and wrong and right:
        lines[int(line) - 1] = lines[int(line) - 1].replace(wrong, right, 1)
        visit.form["text"] = ["\n".join(lines)]


async def _try(visit: Visit) -> Response:
    """Judge past promotions under the draft, and name the gates that it weakens. Nothing is changed."""
    namespace, model = _owner(visit)
    _correct(visit)
    text, days = _text(visit), visit.given("days")
    since = visit.services.db.clock() - (int(days) if days.isdigit() and len(days) < 5 else _DAYS[1]) * _DAY
    try:
        tried = await visit.read(
            lambda tx: policies.try_policy(tx, visit.actor, namespace, model, text, by_hand=True)
        )
        promotions = await visit.in_thread(
            "exports",
            visit.services.db.read,
            lambda tx: replay(tx, visit.actor, namespace, model, text, since=since),
        )
    except ModelyardError as error:
        return await _edit(visit, error)
    newest_first = sorted(promotions, key=lambda each: (not each.differs, -each.promotion.id))
    return await _edit(visit, trial=Trial(list(tried.weakens), newest_first))


async def _save(visit: Visit) -> Response:
    """Save the draft. If it weakens a gate, name that first and save only what was confirmed."""
    namespace, model = _owner(visit)
    text, seen = _text(visit), visit.given("seen")
    try:
        tried = await visit.read(
            lambda tx: policies.try_policy(tx, visit.actor, namespace, model, text, by_hand=True)
        )
        if tried.weakens and visit.given("confirmed") != _digest(visit.form["text"][0].replace("\r\n", "\n")):
            return await _edit(visit, unconfirmed=list(tried.weakens))
        saved = await visit.write(
            lambda tx: policies.set_policy(
                tx,
                visit.actor,
                namespace,
                model,
                text,
                reason=visit.given("reason") or None,
                seen=int(seen) if seen.isdigit() else None,
                by_hand=True,
            )
        )
    except ModelyardError as error:
        return await _edit(visit, error)
    number = saved.own.number if saved.own else 0
    return visit.go(f"{_PAGE}/{saved.owner.name}", f"Policy {number} is in force.")


async def _remove(visit: Visit) -> Response:
    namespace, model = _owner(visit)
    seen = visit.given("seen")
    return await visit.attempt(
        f"{_PAGE}/{namespace}" + (f"/{model}" if model else ""),
        "The policy was removed; its texts stay in the history.",
        lambda tx: policies.remove_policy(
            tx,
            visit.actor,
            namespace,
            model,
            reason=visit.given("reason") or None,
            seen=int(seen) if seen.isdigit() else None,
            by_hand=True,
        ),
        _edit,
    )


@table.get(_OF_NAMESPACE)
async def namespace_policy(visit: Visit) -> Response:
    return await _edit(visit)


@table.post(f"{_OF_NAMESPACE}/try", operation="test_namespace_policy", command="policy test")
async def try_namespace_policy(visit: Visit) -> Response:
    return await _try(visit)


@table.post(f"{_OF_NAMESPACE}/save", operation="set_namespace_policy", command="policy set")
async def save_namespace_policy(visit: Visit) -> Response:
    return await _save(visit)


@table.post(f"{_OF_NAMESPACE}/remove", operation="remove_namespace_policy", command="policy remove")
async def remove_namespace_policy(visit: Visit) -> Response:
    return await _remove(visit)


@table.get(_OF_MODEL)
async def model_policy(visit: Visit) -> Response:
    return await _edit(visit)


@table.post(f"{_OF_MODEL}/try", operation="test_model_policy", command="policy test")
async def try_model_policy(visit: Visit) -> Response:
    return await _try(visit)


@table.post(f"{_OF_MODEL}/save", operation="set_model_policy", command="policy set")
async def save_model_policy(visit: Visit) -> Response:
    return await _save(visit)


@table.post(f"{_OF_MODEL}/remove", operation="remove_model_policy", command="policy remove")
async def remove_model_policy(visit: Visit) -> Response:
    return await _remove(visit)
