"""`my.push`, `my.pull`, `my.load`, `my.log_dataset` and `my.login`: the client of the environment, without naming it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.sdk import credentials
from modelyard.sdk.client import Client, shared_client
from modelyard.sdk.progress import Progress
from modelyard.sdk.views import Version
from modelyard.wire import access as access_wire
from modelyard.wire import datasets as datasets_wire

if TYPE_CHECKING:
    from modelyard.domain.signature import Problem
    from modelyard.sdk.savers.base import Trust


def push(
    what: Any,
    model: str,
    *,
    alias: str | Sequence[str] = (),
    tags: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    params: Mapping[str, Any] | None = None,
    description: str = "",
    facts: Mapping[str, Any] | None = None,
    data: Any = None,
    example: Any = None,
    card: str | None = None,
    force_new: bool = False,
    allow_pickle: bool = False,
    allow_secrets: bool = False,
    capture: bool = True,
    progress: Progress | None = None,
) -> Version:
    """Register a folder, a file or a live model object as the model's next version. See `Client.push`."""
    return shared_client().push(
        what,
        model,
        alias=alias,
        tags=tags,
        metrics=metrics,
        params=params,
        description=description,
        facts=facts,
        data=data,
        example=example,
        card=card,
        force_new=force_new,
        allow_pickle=allow_pickle,
        allow_secrets=allow_secrets,
        capture=capture,
        progress=progress,
    )


def pull(
    ref: str,
    to: str | os.PathLike[str] | None = None,
    *,
    link: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Put a version's files into a folder, every byte verified; returns the folder. See `Client.pull`."""
    return shared_client().pull(ref, to, link=link, force=force, progress=progress)


def load(
    ref: str, *, trust: Trust = False, check: bool = True, progress: Progress | None = None, **options: Any
) -> Any:
    """The live object that was pushed. See `Client.load`."""
    return shared_client().load(ref, trust=trust, check=check, progress=progress, **options)


def check_signature(ref: str, data: Any) -> Sequence[Problem]:
    """What of the data does not fit a version's signature. See `Client.check_signature`."""
    return shared_client().check_signature(ref, data)


def log_dataset(data: Any, name: str | None = None, **how: Any) -> datasets_wire.DatasetVersion:
    """Make a dataset known, with its profile and none of its rows. See `Client.datasets.push`."""
    return shared_client().datasets.push(data, name, **how)


def login(url: str, token: str, *, make_default: bool = True, insecure: bool = False) -> access_wire.WhoAmI:
    """Check a token with its server and store both for this user. insecure: allow http:// beyond this machine.

    Raises TokenInvalid, ServerUnreachable, Invalid.
    """
    with Client(url, token, insecure=insecure) as client:
        found = client.whoami()
        credentials.save(client.url, token, found.name, make_default=make_default, insecure=insecure)
    return found
