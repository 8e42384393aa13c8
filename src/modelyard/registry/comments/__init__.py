"""Comments on models, versions and promotions, and the notifications they cause.

Comments are Markdown, kept as written. Mentioned accounts and the watchers of a model are notified. Notifications are
derived from the event log, like deliveries, so many readers do not make a comment more expensive. Doors:
api/comments.py.
"""
