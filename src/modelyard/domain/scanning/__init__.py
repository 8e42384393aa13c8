"""What could run code when a file is loaded, found without loading it.

`needs_scan(skim)` tells from the ends of a file whether it must be looked into; `scan(source)` reads it in every
way that a loader might: as pickles (by themselves, in joblib and torch files, in NumPy object arrays), zip, tar,
HDF5 or a compressed stream, found by bytes and never by the file's name. Nothing is imported, called or built.
Every global must be on an allow-list. Why so: decision records 0016 and 0017.
"""

from modelyard.domain.scanning.engine import scan
from modelyard.domain.scanning.skim import Skim
from modelyard.domain.scanning.sniff import needs_scan
from modelyard.domain.scanning.verdicts import FileScan, Finding, Verdict, worst

__all__ = ["FileScan", "Finding", "Skim", "Verdict", "needs_scan", "scan", "worst"]
