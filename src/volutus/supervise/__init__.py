"""Runs the cloud's processes on one machine: starts them in order, watches them, starts them again, stops
them.

The supervisor itself is one small process that imports neither the database nor the web framework. It knows
nothing of clouds: what to run is a list of `Child` made by `plan`. Guests are not its children and outlive
it; only `down` and `destroy` stop them.
"""
