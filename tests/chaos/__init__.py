"""Whether the engine keeps its promises while everything around it fails: `make test-chaos`."""
