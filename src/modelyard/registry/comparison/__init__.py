"""Compare two to eight versions or runs: what is equal, what differs, which is better, and by how much.

`rules` finds the differences and knows no database; `usecases` gathers the sides in a few statements and reads
profiles of datasets; metrics of a model over its versions, and the best of them, are in `history`. Doors:
`api/comparison.py`.
"""
