"""The AI bill of materials of a version: CycloneDX 1.6 with a model card, each line verified or declared.

Verified is what the registry holds the proof of: bytes by their digest, packages by the digest of what was
installed, data by its fingerprint, the scan. Declared is what the person who pushed says. Doors: `api/bom.py`.
"""
