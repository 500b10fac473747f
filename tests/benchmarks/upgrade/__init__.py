"""What an upgrade of a sparse autoencoder costs, and that it survives."""
