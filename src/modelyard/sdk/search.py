"""Finding objects of every kind by a few letters."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.sdk.http import at
from modelyard.sdk.session import Session
from modelyard.wire import search as wire


def find(session: Session, /, text: str, *, limit: int = 20) -> Sequence[wire.Found]:  # noqa: D417
    """Find models, versions, runs, datasets and accounts.

    Args:
        text: A part of a name, `model:3`, or the beginning of a digest or of the Git commit that a version or a run
            was made from, at least 7 hex digits. With a leading `@`: accounts alone; with `#`: digests and commits.
        limit: Return at most this many of each kind, up to 100.

    Returns:
        What was found, the nearest kind of match first.

    Raises:
        Unauthenticated: You are not signed in.

    Example:
        >>> [found.words for found in client.find("9fceb02")]
        ['fraud/scorer v12']
    """
    query = wire.FindQuery(q=text, limit=limit)
    return session.transport.call("GET", at("search"), query=query, returns=wire.FoundList).items
