"""Runs: the values that a training logs while it runs, kept exactly once and in order.

A client chooses the run's id, numbers its records (*frames*) and sends them in batches. A repeated batch changes
nothing, because the server remembers the last number of each *writer* of the run. Records that cannot be stored
unchanged (a name that is too long, the 20,001st param) are cut or omitted, which is noted on the run; they are never
refused, because a training must not fail because of its records. Metrics are stored as *series* in blocks of points
(series.py). Runs are grouped by *experiment*. Doors: `api/runs.py`. Decision record 0015.
"""
