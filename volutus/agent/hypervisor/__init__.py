"""Guests on one host, behind one protocol."""
