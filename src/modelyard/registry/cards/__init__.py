"""Model cards: the README.md among a version's files, or a newer text that was set next to them.

The files stay frozen; a card that is set later is a row of its own, with its author, and the newest counts.
"""
