"""Decide who may do what.

Actors (users and service accounts) sign in with a token or a browser session; groups contain them.
A role is held on a namespace and inherited by its models; a role on a model replaces it there. Every use
case of every feature names a Permission and asks `rules.check`, so each door gets the same answer. An object
that the actor may not read is reported as not found. Decision record: docs/decisions/0006-access.md.
"""
