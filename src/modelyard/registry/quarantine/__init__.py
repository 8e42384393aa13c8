"""Show, explain and release quarantined versions; manage the globals that namespaces trust.

`versions` refuses them (versions/serving.py) through every door. Here people see the reasons, release a version with
a reason, or trust an unknown global in the pickles of a namespace, and the worker finishes scans that a registration
had no time for (scanning.py). judging.py makes every change of quarantine. Doors:
`api/quarantine.py`. Decision records 0016 and 0020.
"""
