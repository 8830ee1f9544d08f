"""Tests of volutus/volume."""
