"""Bytes that are no longer served because they contain a leaked text: since when, by whom and why.

`redaction` withholds them; the features that send or receive bytes look here for their answers. Decision record 0024.
"""
