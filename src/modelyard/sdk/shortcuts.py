"""`my.push`, `my.pull`, `my.load` and others: functions of a session, with the session of the environment."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from modelyard.sdk import credentials, signatures
from modelyard.sdk import load as loading
from modelyard.sdk import pull as pulling
from modelyard.sdk import push as pushing
from modelyard.sdk.binding import bind
from modelyard.sdk.datasets import client as datasets
from modelyard.sdk.session import Session, shared_session
from modelyard.sdk.views import Version
from modelyard.wire import access as access_wire

P = ParamSpec("P")


def _saying(
    push: Callable[Concatenate[Session, P], Version],
) -> Callable[Concatenate[Session, P], Version]:
    @functools.wraps(push)
    def saying(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> Version:
        version = push(session, *args, **kwargs)
        # To standard error, so that a program's own output stays clean.
        print(pushing.words_for_pushed(version, session.url), file=sys.stderr)
        return version

    return saying


push = bind(_saying(pushing.push), shared_session, __name__)
pull = bind(pulling.pull, shared_session, __name__)
load = bind(loading.load, shared_session, __name__)
check_signature = bind(signatures.check_signature, shared_session, __name__)
log_dataset = bind(datasets.log_dataset, shared_session, __name__)


def login(url: str, token: str, *, make_default: bool = True, insecure: bool = False) -> access_wire.WhoAmI:
    """Check a token with its server, and store both for this user.

    Args:
        url: Address of the server, for example `https://registry.example.org`.
        token: The secret that `modelyard token create` showed.
        make_default: Use this server by default from now on.
        insecure: Allow `http://` to another machine, where others can read the token in transit.

    Returns:
        The account that the token belongs to.

    Raises:
        TokenInvalid: The server does not accept the token; nothing is stored.
        ServerUnreachable: The server does not answer.
        Invalid: The token is empty or not one; or the address is not valid, or it is not encrypted and
            `insecure` is False.

    Example:
        >>> my.login("https://registry.example.org", token).name
        'ada'
    """
    # A session without a token would use the stored one, and so check a different token.
    token = credentials.checked_token(token)
    session = Session(url, token, insecure=insecure)
    try:
        account = session.whoami()
        credentials.save(session.url, token, account.name, make_default=make_default, insecure=insecure)
    finally:
        session.close()
    return account
