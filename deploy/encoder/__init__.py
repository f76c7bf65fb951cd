"""Image encoders: frames recorded, and a variational autoencoder trained on them, for workers to run frozen."""
