"""Checks: named results about a version that something outside reports (CI, a scanner, a human).

Reports are added and never changed; the newest one of a name counts. Gates ask for them (promotion). Doors:
`api/checks.py`.
"""
