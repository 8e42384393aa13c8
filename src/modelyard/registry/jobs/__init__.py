"""The durable queue: work that outlives a request, as rows that any server process may take.

A feature names a `JobKind` and enqueues a payload in the transaction that needs the work done. A process takes the
job with a lease, renews the lease by a heartbeat, and commits the job's end together with its effects. A process that
dies gives the job back when the lease ends; later changes by it are refused because of the attempt's number. Within
a kind, shares (namespaces, unless the feature says otherwise) take turns. Jobs are run by worker/runner.py; admins
see them through api/jobs.py. Decision record: docs/decisions/0027-jobs.md.
"""
