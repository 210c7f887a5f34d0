"""The real engine on a virtual clock and one seed, in a world that fails: `python -m tests.simulation`."""
