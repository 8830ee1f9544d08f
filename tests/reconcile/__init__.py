"""Tests of volutus/reconcile."""
