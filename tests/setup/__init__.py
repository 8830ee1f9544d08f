"""Tests of what a machine needs before it runs a cloud."""
