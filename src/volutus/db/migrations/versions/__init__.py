"""Migrations in order: `NNNN_subject.py`."""
