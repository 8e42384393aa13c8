"""Slow down guessing of passwords, links and tokens, at every door."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Hashable
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from starlette.requests import Request
from starlette.types import Scope

from modelyard.domain.actor import Actor
from modelyard.domain.errors import TooManyAttempts
from modelyard.doors.services import Services
from modelyard.registry.access import usecases as access
from modelyard.registry.access.attempts import LimitCrossed

_MOST_HELD_BACK = 64
_held_back = 0


def client_network(scope: Scope) -> str:
    return network((scope.get("client") or ("?",))[0])


def client_of(request: Request, actor: Actor | None = None) -> Hashable:
    """Return the client whose share a request uses: the account, otherwise the network."""
    if actor is not None and not actor.is_anonymous:
        return "account", actor.id
    return "network", client_network(request.scope)


@lru_cache(4096)
def network(address: str) -> str:
    """Return the address; for IPv6 its /64 network, which usually belongs to one client."""
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address)
    except AddressValueError:
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


async def begin_password(request: Request, services: Services, account: str) -> None:
    """Call before checking a password, which counts as wrong until `password_was_right`. Raises TooManyAttempts."""
    account, place, now = account[:100].lower(), client_network(request.scope), time.monotonic()
    wait = services.attempts.wait_seconds(account, place, now)
    if wait > 0:
        raise TooManyAttempts(seconds=math.ceil(wait))
    told = services.attempts.begin(account, place, now)
    await _tell(services, told, "password", place, account)


def password_was_right(request: Request, services: Services, account: str) -> None:
    services.attempts.succeed(account[:100].lower(), client_network(request.scope))


async def hold_back(request: Request, services: Services, what: str) -> None:
    """Delay the answer to a wrong token or link: the more of them came from one network, the longer.

    Valid ones are never delayed, because many people share an address and no one guesses 256 bits. Raises
    TooManyAttempts when many answers are already delayed.
    """
    global _held_back
    place = client_network(request.scope)
    delay, told = services.attempts.fail_unguessable(place, time.monotonic())
    await _tell(services, told, what, place, None)
    if delay == 0:
        return
    if _held_back >= _MOST_HELD_BACK:
        raise TooManyAttempts(seconds=1)
    _held_back += 1
    try:
        await asyncio.sleep(delay)
    finally:
        _held_back -= 1


async def _tell(
    services: Services, told: LimitCrossed | None, what: str, place: str, account: str | None
) -> None:
    if told is not None:
        await services.db.awrite(
            lambda tx: access.note_failed_sign_ins(tx, what, place, told.attempts, account)
        )
