"""Trace the origins of a version and its descendants: dataset → run → version → child version → deployment.

The features below write edges (`registry.edges`); here the graph is read, up or down to any depth, in a number of
statements that does not grow with it. A node that the actor may not see has no name, so that the shape of the answer
is true and nothing leaks. A recall marks a version as not to be used, and notifies the people who depend on it.
Doors: `api/lineage.py`.
"""
