"""Write the AI bill of materials of a version: CycloneDX 1.6 with a model card, each line verified or declared.

A line is verified if the registry holds the proof: bytes by their digest, packages by the digest of the installed
files, data by its fingerprint, the scan. It is declared if only the person who pushed states it. Doors: `api/bom.py`.
"""
