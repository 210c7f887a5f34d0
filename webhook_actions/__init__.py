"""Acts on alerts, proves that the action worked, and escalates when it did not."""
