"""`python -m modelyard.agent`."""

from __future__ import annotations

import os
import sys

from modelyard.agent.opening import Opening

_VARIABLES = ("MODELYARD_URL", "MODELYARD_TOKEN", "MODELYARD_BUILD", "MODELYARD_ATTEMPT", "MODELYARD_WORKSPACE")


def main() -> int:
    """Carry out the attempt that the variables name. Return 0 if the server knows how it ended."""
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        print(f"modelyard.agent: {' and '.join(missing)} must be set; executors do that", file=sys.stderr)
        return 2
    if scratch := os.environ.get("MODELYARD_SCRATCH"):
        # On a cluster.
        from modelyard.agent.guard import stand_guard

        stand_guard(scratch)
    url, ticket, build, number, folder = (os.environ[name] for name in _VARIABLES)
    opening = Opening(url, build, int(number))
    opening.begin(ticket)
    # Only now, since loading it takes longer than everything so far.
    from modelyard.agent.program import carry_out

    return carry_out(opening, url, ticket, folder)


if __name__ == "__main__":
    sys.exit(main())
