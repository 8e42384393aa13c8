"""Scan HDF5: Keras models and weights, and attributes that PyTables unpickles. The caller supplies the reader."""

from __future__ import annotations

from typing import IO, cast

from modelyard.domain.formats.ranged import BytesSource, OverBudget
from modelyard.domain.scanning import keras
from modelyard.domain.scanning.context import File, Scan
from modelyard.domain.scanning.skim import Skim
from modelyard.domain.scanning.sources import SourceFile
from modelyard.domain.scanning.verdicts import Verdict

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def begins_hdf5(skim: Skim) -> bool:
    return skim.head[:8] == SIGNATURE or SIGNATURE in skim.places.values()


def look_into_hdf5(scan: Scan, file: File) -> None:
    if not begins_hdf5(file.skim):
        return
    scan.enter(file, "hdf5")
    if scan.read_hdf5 is None:
        raise OverBudget("HDF5 is not read here")
    if file.skim.head[:8] != SIGNATURE:
        scan.note(Verdict.NOT_SCANNED, "there are bytes before the HDF5 file", file.inside)
    for path, attribute, data in scan.read_hdf5(cast(IO[bytes], SourceFile(file.source))):
        scan.count_member()
        place = file.member(f"{path}@{attribute}" if attribute else path)
        if data.lstrip()[:1] == b"{":
            keras.check_bytes(scan, data, place)
        scan.look(BytesSource(data), place, file.depth + 1)
