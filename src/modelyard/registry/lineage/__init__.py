"""Where a version came from and what came of it: dataset → run → version → child version → deployment.

The features below write edges (`registry.edges`); here the graph is read, up or down to any depth, in a number of
statements that does not grow with it. What the actor may not see is a node without a name, so that the shape of
the answer is true and nothing leaks. A recall marks a version as not to be used, and tells the person who depends on it.
Doors: `api/lineage.py`.
"""
