"""Seen or possible faults, one patch each: the simulator has to find every one."""
