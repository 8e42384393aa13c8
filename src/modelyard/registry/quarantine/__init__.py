"""Versions whose scan found what is not served: shown, explained, released by right; and what is trusted.

`versions` refuses them (versions/held.py), whichever door asks. Here people see why, release one with a
reason, trust a global that no rule knows in the pickles of a namespace, and the worker finishes the scans
that a registration had no time for. Doors: `api/quarantine.py`. Decision record 0016.
"""
