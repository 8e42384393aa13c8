"""Evaluations: metrics of a version on a named dataset split, measured after it was registered.

Evaluations are added and never changed; of several values of a metric on the same split and dataset the newest counts.
"""
