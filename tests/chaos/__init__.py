"""Processes of a running cloud killed at random moments, and what must hold afterwards."""
