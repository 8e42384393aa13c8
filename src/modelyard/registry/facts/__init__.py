"""The known and the missing facts of a version, by name. Gates use the same. Doors: `api/facts.py`."""
