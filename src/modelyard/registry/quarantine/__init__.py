"""Versions whose scan found what is not served: shown, explained, released by right; and what is trusted.

`versions` refuses them (versions/serving.py), whichever door asks. Here people see why, release one with a
reason, trust a global that no rule knows in the pickles of a namespace, and the worker finishes the scans
that a registration had no time for (scanning.py). Each change of what is served is made in judging.py. Doors:
`api/quarantine.py`. Decision records 0016 and 0020.
"""
