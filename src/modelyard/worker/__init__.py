"""The door for time: due jobs, through the same use cases."""
