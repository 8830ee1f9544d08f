"""The agent protocol as agents speak it."""
