"""Read and verify the event log: the history of a model, and of the whole registry for its admins and auditors."""
