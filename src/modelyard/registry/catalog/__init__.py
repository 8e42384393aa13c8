"""Namespaces and models: names, descriptions, owners, tags, renames with redirect, archive, tombstones.

A model that the caller may not see is reported as not found. A deleted model keeps its name and its counter: if it is
created again, numbering continues, so that a version number never means two things.
"""
