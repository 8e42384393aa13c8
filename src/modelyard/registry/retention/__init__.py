"""What may be deleted, the sweep that deletes it, and the check that the rest is whole.

Bytes go when no version that is not deleted names them, no dataset has them as its profile, no upload is
on its way to them, and no one sent or asked for them within the grace; withheld ones go at once. A row is marked first, the bytes are
deleted next, the row last: after a crash at any point the next sweep goes on. A marked row takes no new
references; the person who needs the bytes just then is told to try again, and sends them again.
"""
