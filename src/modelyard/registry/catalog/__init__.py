"""Namespaces and models: names, descriptions, owners, tags, renames with redirect, archive, tombstones.

A model that may not be seen is not found. A deleted model keeps its name and its counter: made again, it
goes on counting, so that a version number never means two things.
"""
