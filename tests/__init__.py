"""Tests through the interfaces that we keep, on a real PostgreSQL."""
