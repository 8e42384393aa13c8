"""Schedules and triggers: what starts builds of a model without a person.

A schedule starts builds at times, by a cron expression or an interval; a trigger starts one when a dataset has new content or
another model a new version. Each time is decided in one transaction that moves the schedule on by compare-and-set,
queues the build through the same use case as `modelyard build`, and records the outcome; so any number of servers may
look for times that are due, and none of them leads.
"""
