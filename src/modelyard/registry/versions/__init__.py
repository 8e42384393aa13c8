"""Immutable versions over manifests, and the aliases that point at them.

A version freezes a manifest (which bytes) and a record (what is known of them) under the next number of
its model; the same two in the same model are the same version. Numbers have no gaps, because the counter
of the model is raised in the transaction that inserts the row. An alias moves by compare-and-set on its
revision and keeps every move. Doors: `api/versions.py`, `api/aliases.py`. Decision record 0007.
"""
