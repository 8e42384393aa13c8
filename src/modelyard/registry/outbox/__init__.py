"""Deliver events to others: webhooks, Slack, e-mail, and the stream of events.

A subscription names a receiver and its events. Deliveries are derived from the event log, whose order is the
order of commit without gaps, so a cursor per subscription is all the bookkeeping that "nothing is lost" needs.
Per subscription and model they go out in order, at least once, with backoff; a delivery that never arrives becomes a
dead letter, which can be sent again. Sending is a job of the queue for each subscription and model (lanes.py). Doors:
api/outbox.py, api/events.py. Decision records 0012 and 0027.
"""
