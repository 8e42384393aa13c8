"""Immutable versions over manifests, and the aliases that point at them.

A version freezes a manifest (the bytes) and a record (the facts) under the next number of its model; the same two in
the same model are the same version. Numbers have no gaps, because the transaction that inserts the row also raises
the counter of the model. An alias moves by compare-and-set on its revision, and every move is kept.
Doors: `api/versions.py`, `api/aliases.py`. Decision record 0007.
"""
