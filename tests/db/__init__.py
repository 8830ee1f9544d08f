"""Tests of volutus/db."""
