"""A version in one answer: its state, origin, metrics against the champion, checks, votes, card and scan.

The features below contribute in one transaction, so that the answer is a consistent snapshot. Doors:
`api/overview.py`.
"""
