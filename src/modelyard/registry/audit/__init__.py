"""Reading the event log: the history of a model, and of the whole registry for those who operate it."""
