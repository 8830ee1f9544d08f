"""Placement's API over HTTP."""
