"""Promotion: only what passes a gate enters a stage, and everybody can see why.

A *stage* is a protected alias named in the model's policy, in order. The *gate* at its entrance holds the
*rules*; `rules.judge` answers with a reason for each of them, and a dry run is the same function. A
*promotion* is the wish to move a version into a stage: it is judged inside the transaction that moves the
alias, stays open while something is missing, gathers votes and waivers bound to digests and policy, and is
stored with the evidence it was decided on. Rollback and demotion are moves in the same history. Doors:
`api/promotion.py`, `api/policy.py`, the worker's job for what completes by itself. Decision record 0010.
"""
