"""Datasets: the inputs of versions and runs, known by name and by the digest of their content.

A dataset belongs to a namespace. Each distinct content of it is a row with its first description and, if a client
sent one, the digest of its profile. Contents are recorded when a version is registered, when a run logs its inputs,
or by a push; the rows of the data are never sent. Two contents are compared by their profiles. Doors:
`api/datasets.py`. Decision record: docs/decisions/0013-datasets.md.
"""
