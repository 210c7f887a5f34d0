"""Tests that follow the manual word by word."""
