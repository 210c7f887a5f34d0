"""What is left of the engine's promises while everything around it fails: `make test-chaos`."""
