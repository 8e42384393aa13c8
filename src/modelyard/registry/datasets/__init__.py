"""Datasets: what versions and runs were fed with, known by name and by the digest of the content.

A dataset belongs to a namespace. Each different content of it is a row with what was first said of it and,
where a client sent one, the digest of its profile. Contents become known when a version is registered, a run
logs its inputs or somebody pushes one; the rows themselves never come here. Two contents are compared by their
profiles. Doors: `api/datasets.py`. Decision record: docs/decisions/0013-datasets.md.
"""
