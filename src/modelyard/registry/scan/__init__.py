"""The intake scan: what loading a file could run, found at registration without loading it.

The rules are `domain/scanning`; here a process with limits on memory and time applies them to stored bytes,
and the verdict is kept with the bytes, since it is a function of them alone. `versions` asks for it before a
version is registered; what takes longer is a job of the queue (`waiting.py`, `quarantine/scanning.py`), and until
then the version is *pending*, which is not clean. `serving.py` decides what of scanned bytes a namespace serves.
Decision records 0016 and 0020.
"""
