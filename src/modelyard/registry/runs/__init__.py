"""Runs: what a training says of itself while it goes on, kept exactly once and in order.

A client makes up the run's id, numbers what it has to say (*frames*) and sends it in batches. A batch that is
sent again changes nothing, because the server remembers the number each *writer* of the run has reached. What
cannot be stored as it is (a name too long, the 20 001st param) is cut or left out and noted on the run; it is
never refused, because a training must not fail over what it reports. Metrics are kept as *series* in blocks
of points (series.py). Runs are grouped by *experiment*. Doors: `api/runs.py`; reasons: the decision record on
runs.
"""
