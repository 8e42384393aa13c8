"""The program that serves the predictions of one deployment: `python -m modelyard.scorer FOLDER`.

It is a front (HTTP, limits, batching, counting) and, for each revision, worker processes in the version's own environment.
A request is checked against the signature in the front, waits in the queue of the revision that serves, goes to a worker
in a frame together with what came meanwhile, and is answered in the words of the caller's protocol.

    __main__     the process: lock, loop, signals
    front        what a running front has: listeners, fleet, control socket
    container    what it has besides its folder in a container: order, token and version that are mounted
    http         HTTP/1.1 on a socket
    door         paths, access and answers of each protocol in `protocols/`
    columns      the signature: what a request may hold, and its form as tensors
    fleet        what is wanted → revisions that are pulled, prepared, started, swapped and drained
    revision     one revision: its files, its environment, its pool of workers
    pool         queue, batches, crashes and restarts
    launch       how a worker process is started and kept apart
    frames       bytes between front and worker
    worker       the worker process: standard library, and what the saver needs
    flavours     what each kind of model expects and returns

`worker`, `flavours` and `frames` run in environments without our dependencies. Decision record 0031.
"""
