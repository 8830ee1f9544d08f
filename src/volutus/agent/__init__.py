"""The host agent: makes one host be what the control plane's `Desired` says, and reports what is.

It imports nothing of ours but `volutus.wire`. Read `converge` first: it decides everything and touches
nothing. `hypervisor/`, `storage/` and `network/` touch the machine, each behind a protocol with a simulated
twin. `host` joins them, `runner` drives one real host, `simulated` drives thousands of pretended ones.
"""
