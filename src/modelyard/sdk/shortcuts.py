"""`my.push`, `my.pull`, `my.load` and their like: functions of a session, with the session of the environment."""

from __future__ import annotations

from modelyard.sdk import credentials, signatures
from modelyard.sdk import load as loading
from modelyard.sdk import pull as pulling
from modelyard.sdk import push as pushing
from modelyard.sdk.binding import bind
from modelyard.sdk.datasets import client as datasets
from modelyard.sdk.session import Session, shared_session
from modelyard.wire import access as access_wire

push = bind(pushing.push, shared_session, __name__)
pull = bind(pulling.pull, shared_session, __name__)
load = bind(loading.load, shared_session, __name__)
check_signature = bind(signatures.check_signature, shared_session, __name__)
log_dataset = bind(datasets.log_dataset, shared_session, __name__)


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
