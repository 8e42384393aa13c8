"""Judge a file's bytes in every reading that a loader might choose, one after the other.

A file may have several formats at once (a pickle with a zip at its end), so no reading ends the search. No loader
runs bytes that none of the readings reaches: that is the meaning of `no_code`. Decision record 0017.
"""

from __future__ import annotations

from modelyard.domain.formats.ranged import Malformed, OverBudget, Source
from modelyard.domain.scanning import documents, safetensors
from modelyard.domain.scanning.archives import look_into_tar, look_into_zip
from modelyard.domain.scanning.arrays import look_into_array
from modelyard.domain.scanning.compressed import look_into_compressed
from modelyard.domain.scanning.context import File, Hdf5Reader, Scan
from modelyard.domain.scanning.hdf5 import look_into_hdf5
from modelyard.domain.scanning.skim import Skim
from modelyard.domain.scanning.sources import Unpacked
from modelyard.domain.scanning.streams import look_into_pickles
from modelyard.domain.scanning.verdicts import FileScan, Verdict

_READINGS = (
    look_into_zip,
    look_into_tar,
    look_into_hdf5,
    look_into_array,
    look_into_compressed,
    look_into_pickles,
    safetensors.check,
    documents.note_kinds,
)


def scan(source: Source, read_hdf5: Hdf5Reader | None = None) -> FileScan:
    """Scan one file. Its content never raises; errors of the source itself are not caught.

    Memory grows with a pickle's memo, and time with its opcodes; the caller limits both for the process.
    Without `read_hdf5` an HDF5 file is not scanned.
    """
    found = FileScan()

    def look(part: Source, inside: str, depth: int) -> None:
        if part.size_bytes == 0:
            return
        skim = part.skim if isinstance(part, Unpacked) else Skim.of(part)
        file = File(part, skim, inside, depth)
        for reading in _READINGS:
            try:
                reading(context, file)
            except OverBudget as error:
                context.note(Verdict.NOT_SCANNED, str(error), inside)
            except Malformed as error:
                context.note(Verdict.NOT_SCANNED, f"it contradicts its format: {error}", inside)

    context = Scan(found, look, read_hdf5)
    look(source, "", 0)
    return found
