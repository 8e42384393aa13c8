"""What could run code when a file is loaded, found without loading it.

`needs_scan(head, size)` tells from a file's first bytes whether it must be looked into; `scan(source)` walks
pickles (by themselves, in joblib and torch files, in NumPy object arrays) through zips, tars and compressed
streams, found by magic bytes and never by the file's name. Nothing is imported, called or built. Every
global must be on an allow-list; what cannot be followed to its end is dangerous, because a loader may follow
it further than we do. Why so: decision record 0016.
"""

from modelyard.domain.scanning.engine import scan
from modelyard.domain.scanning.sniff import HEAD_BYTES, needs_scan
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict, worst

__all__ = ["HEAD_BYTES", "FileScan", "Finding", "Verdict", "needs_scan", "scan", "worst"]
