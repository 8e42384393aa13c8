"""Promotion: only versions that pass a gate enter a stage, and everybody can see why.

A *stage* is a protected alias named in the model's policy, in order. The *gate* at its entrance holds the
*rules*; `rules.judge` answers with a reason for each of them, and a dry run is the same function. A
*promotion* is the request to move a version into a stage: it is judged inside the transaction that moves the
alias, stays open until all rules are met, collects votes and waivers bound to digests and policy, and is stored
with the evidence for its decision. Rollback and demotion are moves in the same history. Doors:
`api/promotion.py`, `api/policy.py`, and the worker's job that completes promotions automatically. Decision record 0010.
"""
