"""The door of time: due jobs, through the same use cases."""
