"""What is known of a version and what is missing, by name. Doors: `api/facts.py`; gates ask for the same."""
