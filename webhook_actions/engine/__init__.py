"""Handles incidents: decides, runs actions, and verifies that they worked."""
