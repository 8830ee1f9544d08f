"""Tests of volutus/image."""
