"""How well a team works with its models, month by month: lead times, promotions, rollbacks, completeness, reuse.

Doors: `api/measures.py`, `web/measures.py`.
"""
