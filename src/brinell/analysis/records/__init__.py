"""What a run's folder records beside rows: costs, training, probes, compressors' logs."""
