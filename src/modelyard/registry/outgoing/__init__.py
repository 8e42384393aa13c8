"""Requests from the server to addresses that users name: webhooks, sign-in providers, keys of CI systems.

All go through one small connector, so that none reaches addresses that only the server can reach. Decision record 0012.
"""

from modelyard.registry.outgoing.http import Allowed, Outgoing, OutgoingFailed, Reply, Session

__all__ = ["Allowed", "Outgoing", "OutgoingFailed", "Reply", "Session"]
