"""Evaluations: metrics of a version on a named dataset split, measured after it was registered.

Added and never changed; of several values of one metric on the same split and dataset the newest counts.
"""
