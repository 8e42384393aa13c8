"""Runs, from the code that trains to the server.

`block` knows which run is the present one and starts it; `handle` is the run as that code holds it, and `log` what the code says to it; `recorder` turns
what it says into frames; `spool` keeps the frames on disk; `sender` takes them to the server; `offline` sends and
registers later what could not be sent or registered at once. `command` is `modelyard run`, which wraps a program that
knows nothing of this; `registration` makes a version of what a run made. `reading` is `client.runs`, and `files`
brings the files of a run into a folder. Only `reading` and `files` need no run that is going on.
"""
