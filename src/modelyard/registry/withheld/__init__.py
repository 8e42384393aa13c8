"""Bytes that are no longer served because they hold what leaked: which ones, since when, by whom and why.

`redaction` withholds; the features that give or take bytes ask here what to answer. Decision record 0024.
"""
