"""What people say about models, versions and promotions, and who hears of it.

Comments are Markdown, kept as written. Mentioned accounts and the person who watches a model are notified; that is
derived from the event log like deliveries are, so a comment costs no more for being heard. Doors:
api/comments.py.
"""
