"""The evaluation: drives saved policies and publishes how well they race."""
