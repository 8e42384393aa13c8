"""Find code that could run when a file is loaded, without loading it.

`needs_scan(skim)` decides from the ends of a file whether it must be scanned; `scan(source)` reads it in every way
that a loader might: as pickles (alone, in joblib and torch files, in NumPy object arrays), zip, tar, HDF5 or a
compressed stream, recognised by bytes and never by the file's name. Nothing is imported, called or built.
Every global must be on an allow-list. Reasons: decision records 0016 and 0017.
"""

from modelyard.domain.scanning.engine import scan
from modelyard.domain.scanning.skim import Skim
from modelyard.domain.scanning.sniff import needs_scan
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict, worst

__all__ = ["FileScan", "Finding", "Skim", "Verdict", "needs_scan", "scan", "worst"]
