"""The last hundredths of a policy that SAC found, from mirrored pairs of episodes."""
