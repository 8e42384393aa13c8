"""Deployments: named places where a version serves, with a way back.

A *deployment* is to serve one of its *revisions*, which pin a version by digest and never change. It follows a stage, or is moved
by hand; either way only versions that are *admitted* to its stage are served (`admission.py`, the one rule for all doors). A
rollback points at the last good revision, in one transaction; the deployment is then *held* against its stage. What is wanted
stands in the rows; the job `deploy` makes the target so, and a chore compares the two again and again. Doors:
`api/deployments.py`, `web/deployments.py`. Decision record 0035.
"""
