"""Faults that were seen, or might come, a patch each: the simulator has to find every one."""
