"""The real engine on a virtual clock and one seed, among faults: `python -m tests.simulation`."""
