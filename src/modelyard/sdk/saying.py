"""Warnings that a process gives only once."""

from __future__ import annotations

import logging

logger = logging.getLogger("modelyard")
_said: set[str] = set()


def say_once(words: str) -> None:
    """Log a warning, unless this process gave the same one before."""
    if words not in _said:
        _said.add(words)
        logger.warning("%s", words)
