"""Long proofs: `make soak` runs them in full, `make test` a sample of each that takes some seconds."""
