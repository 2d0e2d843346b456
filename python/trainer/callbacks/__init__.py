"""What happens around the steps: figures, plots, samples, checkpoints."""
