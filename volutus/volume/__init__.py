"""The volume domain."""
