"""Cinder's API over HTTP."""
