"""The intake scan: find code that loading a file could run, at registration and without loading it.

The rules are in `domain/scanning`; here a process with limits on memory and time applies them to stored bytes, and the
verdict is stored with the bytes, since it depends only on them. `versions` requests it before a version is registered;
a longer scan is a job of the queue (`waiting.py`, `quarantine/scanning.py`), and until it ends the version is
*pending*, which is not clean. `serving.py` decides which scanned bytes a namespace serves.
Decision records 0016 and 0020.
"""
