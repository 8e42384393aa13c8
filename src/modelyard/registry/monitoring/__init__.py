"""Watching deployments: what they observe, how far it moved, and when a version needs retraining.

Programs of deployments, and external monitors, report *parts* of clock-aligned *windows* (`usecases.py`); sending a part again
replaces it. A chore closes windows, merges their parts and compares them with the training data of the version (`judging.py`); a
small one is judged together with the next. A column that is over its limit in m of n windows, an age, newer data or a recall are
*reasons*; with one, the deployment *needs retraining*, which is entered and left once, each time with an event, and starts the
builds that wait for it (`registry.schedules`). Doors: `api/monitoring.py`, `web/monitoring.py`. Decision record 0037.
"""
