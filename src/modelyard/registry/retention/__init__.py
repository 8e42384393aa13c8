"""Retire versions that a namespace no longer keeps, delete bytes that are no longer needed, and check the others.

A namespace may have a retention rule: the newest versions of each model stay, and those younger than a time. Versions
that something needs stay in any case. The others are archived or deleted, each with an event that gives the reason
(`expiry.py`, the decision in `rules.py`); a job does that once a day.

Bytes are deleted if no version (other than deleted ones) has them, no dataset has them as its profile, no upload of
them is open, and no client sent or requested them within the grace period; withheld ones are deleted at once. The row
is marked first, then the bytes are deleted, and the row last: after a crash at any point the next sweep continues. A
marked row gets no new references; a client that needs the bytes at that moment must retry, and sends them again.
"""
