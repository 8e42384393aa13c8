"""Runs, from the training code to the server.

`block` starts runs and finds the current one; `handle` is the run for the training code, and `log` its logging calls;
`recorder` turns these into frames; `spool` keeps the frames on disk; `sender` sends them to the server; `offline` sends
and registers later if that failed at the end of the run. `command` is `modelyard run`, which wraps an unchanged
program; `registration` makes a version of a run's model. `reading` is `client.runs`, and `files` downloads the files of
a run. Only `reading` and `files` need no active run.
"""
