"""Facts in the past tense. Each change of the registry appends at least one, in its own transaction.

The classes live in files by area and are imported from here.
"""

from __future__ import annotations

# Each of these modules holds only events, all of them public: naming them again here would be a second list to
# maintain.
from modelyard.domain.events.access import *  # noqa: F403
from modelyard.domain.events.base import Event as Event
from modelyard.domain.events.base import about as about
from modelyard.domain.events.builds import *  # noqa: F403
from modelyard.domain.events.catalog import *  # noqa: F403
from modelyard.domain.events.deployments import *  # noqa: F403
from modelyard.domain.events.notices import *  # noqa: F403
from modelyard.domain.events.promotion import *  # noqa: F403
from modelyard.domain.events.quarantine import *  # noqa: F403
from modelyard.domain.events.runs import *  # noqa: F403
from modelyard.domain.events.schedules import *  # noqa: F403
from modelyard.domain.events.server import *  # noqa: F403
from modelyard.domain.events.versions import *  # noqa: F403


def all_events() -> dict[str, type[Event]]:
    """Return every kind of event by its name."""
    found: dict[str, type[Event]] = {}
    waiting: list[type[Event]] = list(Event.__subclasses__())
    while waiting:
        cls = waiting.pop()
        if "kind" in cls.__dict__:
            found[cls.kind] = cls
        waiting.extend(cls.__subclasses__())
    return found
