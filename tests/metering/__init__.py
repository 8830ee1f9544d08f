"""Tests of volutus/metering."""
