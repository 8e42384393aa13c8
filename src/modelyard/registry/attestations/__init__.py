"""Attestations: Ed25519 signatures over a version's two digests. Which keys count is a policy's decision."""
