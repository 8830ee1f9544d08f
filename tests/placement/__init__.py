"""Tests of volutus/placement."""
