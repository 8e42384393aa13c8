"""Checks: named results about a version that are reported from outside (by CI, a scanner or a person).

Reports are added and never changed; the newest one of each name counts. Gates ask for them (promotion). Doors:
`api/checks.py`.
"""
