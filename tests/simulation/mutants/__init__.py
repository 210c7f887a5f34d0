"""Faults that were seen, or might come, each as a patch of a few lines: the simulator has to find every one."""
