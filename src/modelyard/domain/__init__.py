"""Nouns and rules that every room shares: no I/O and no clock."""
