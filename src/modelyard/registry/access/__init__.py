"""Who may do what.

Actors (users and service accounts) prove themselves by a token or a browser session; groups gather them.
A role is held on a namespace and inherited by its models; a role on a model replaces it there. Every use
case of every feature names a Permission and asks `rules.check`, so each door gets the same answer. Who may
not read a thing is told that it is not there. Decision record: docs/decisions/0006-access.md.
"""
