"""Tests of the load-balancer service over HTTP."""
