"""`my.push`, `my.pull`, `my.load` and their like: functions of a session, with the session of the environment."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from modelyard.sdk import credentials, signatures
from modelyard.sdk import load as loading
from modelyard.sdk import pull as pulling
from modelyard.sdk import push as pushing
from modelyard.sdk.datasets import client as datasets
from modelyard.sdk.session import Session, shared_session
from modelyard.wire import access as access_wire

P = ParamSpec("P")
R = TypeVar("R")


def _shared(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Return the function without its first parameter, which becomes the shared session."""

    @functools.wraps(function)
    def shared(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(shared_session(), *args, **kwargs)

    # So that help() shows the parameters that a caller gives.
    signature = inspect.signature(function)
    _, *given = signature.parameters.values()
    shared.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]
    shared.__module__ = __name__
    return shared


push = _shared(pushing.push)
pull = _shared(pulling.pull)
load = _shared(loading.load)
check_signature = _shared(signatures.check_signature)
log_dataset = _shared(datasets.log_dataset)


def login(url: str, token: str, *, make_default: bool = True, insecure: bool = False) -> access_wire.WhoAmI:
    """Check a token with its server, and store both for this user.

    Args:
        url: Address of the server, for example `https://registry.example.org`.
        token: The secret that `modelyard token create` showed.
        make_default: Use this server from now on where none is named.
        insecure: Allow `http://` to another machine, where others on the way can read the token.

    Returns:
        The account that the token belongs to.

    Raises:
        TokenInvalid: The server does not accept the token; nothing is stored.
        ServerUnreachable: The server does not answer.
        Invalid: The address is not valid, or it is not encrypted and `insecure` is False.

    Example:
        >>> my.login("https://registry.example.org", token).name
        'ada'
    """
    session = Session(url, token, insecure=insecure)
    try:
        account = session.whoami()
        credentials.save(session.url, token, account.name, make_default=make_default, insecure=insecure)
    finally:
        session.close()
    return account
