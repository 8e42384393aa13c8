"""Roll back a deployment on its own machine while the registry is away. The server records it when it is back."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from modelyard.domain.errors import DeploymentMoved, DeploymentNotFound, Invalid, NoWayBack, Unavailable
from modelyard.sdk.control import ControlConnection
from modelyard.wire.deployments import AWAY_FILE, AwayRollback
from modelyard.wire.scorer import WANTED_FILE, ScorerState, Wanted

_PATIENCE_SECONDS = 30.0


def roll_back_here(
    data: Path, name: str, *, reason: str, to: int | None = None, from_revision: int | None = None
) -> AwayRollback:
    """Point a deployment of this machine at its warm revision, through its program's control socket.

    Args:
        data: The data folder of the server.
        name: `namespace/name` of the deployment; or the name alone, or the namespace alone, if that is the only one here.
        reason: Why; the registry records it later.
        to: Number of the revision; it must be the warm one. None: that one.
        from_revision: Only if this revision serves. None: whichever does.

    Returns:
        From and to, with the time of the swap and the dropped requests.

    Raises:
        DeploymentNotFound: No deployment of this name runs here, or you may not see its folder.
        DeploymentMoved: Another revision serves.
        NoWayBack: It has no warm revision, or not this one.
        Unavailable: Its program does not answer, or did not swap.

    Example:
        >>> roll_back_here(Path("modelyard-data"), "fraud/scorer", reason="errors doubled").after
        1
    """
    folder, wanted = _find(data, name)
    serving = next(each for each in wanted.revisions if each.role == "serving")
    if from_revision not in (None, serving.number):
        raise DeploymentMoved(
            deployment=wanted.deployment, revision=serving.number, reference=serving.reference
        )
    warm = next((each for each in wanted.revisions if each.role == "warm"), None)
    if warm is None or to not in (None, warm.number):
        words = "" if warm is None else f": here, only revision {warm.number} is warm"
        raise NoWayBack(deployment=wanted.deployment, passed_over=words)
    swapped = msgspec.structs.replace(
        wanted,
        generation=wanted.generation + 1,
        revisions=[
            msgspec.structs.replace(warm, role="serving"),
            msgspec.structs.replace(serving, role="warm"),
        ],
    )
    note = AwayRollback(
        generation=swapped.generation,
        deployment=wanted.deployment,
        before=serving.number,
        after=warm.number,
        version=warm.reference,
        by=getpass.getuser(),
        reason=reason,
    )
    # Before the order, so that the server never finds one that it cannot explain.
    new = folder / f"{AWAY_FILE}.new"
    new.write_bytes(msgspec.json.encode(note))
    new.replace(folder / AWAY_FILE)
    state = _order(folder, swapped)
    swap = next((each for each in state.swaps if each.generation == swapped.generation), None)
    if swap is None:
        return note
    return msgspec.structs.replace(note, milliseconds=swap.milliseconds, dropped=swap.dropped)


def _find(data: Path, name: str) -> tuple[Path, Wanted]:
    found = [*_list(data)]
    for matches in (
        [each for each in found if each[1].deployment == name],
        [each for each in found if each[1].deployment.rpartition("/")[2] == name],
        [each for each in found if each[1].deployment.partition("/")[0] == name],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(each[1].deployment for each in matches)
            raise Invalid(
                reason=f"several deployments are called {name}: {names}", fix="Write one of them in full"
            )
    raise DeploymentNotFound(
        deployment=name,
        fix=f"The server does not answer, and {data} has no such deployment. On its own machine: "
        f"modelyard rollback {name} --data DIR",
    )


def _list(data: Path) -> Iterator[tuple[Path, Wanted]]:
    for path in sorted((data / "deployments").glob(f"*/{WANTED_FILE}")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            yield path.parent, msgspec.json.decode(path.read_bytes(), type=Wanted)


def _order(folder: Path, wanted: Wanted) -> ScorerState:
    """Give an order, and return the state once it is carried out. Raises Unavailable."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    state = _ask(folder, "PUT", "/wanted", msgspec.json.encode(wanted))
    after = next(each.number for each in wanted.revisions if each.role == "serving")
    while state.generation < wanted.generation or state.serving != after:
        if time.monotonic() > ends:
            raise Unavailable(
                what=f"the program of the deployment in {folder}",
                fix="It has the order, but did not swap in time; see front.log in this folder",
            )
        time.sleep(0.02)
        state = _ask(folder, "GET", "/state")
    return state


def _ask(folder: Path, method: str, path: str, body: bytes | None = None) -> ScorerState:
    connection = ControlConnection(folder)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status < 300:
            return msgspec.json.decode(content, type=ScorerState)
        reason = f"it answered {answer.status}"
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as exc:
        reason = str(exc) or type(exc).__name__
    finally:
        connection.close()
    raise Unavailable(
        what=f"the program of the deployment in {folder}",
        fix=f"See front.log in this folder ({reason})",
    )
