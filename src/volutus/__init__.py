"""Volutus: an infrastructure cloud in one program."""

__version__ = "0.1.0"
