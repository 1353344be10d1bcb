"""What rows say of robustness: accuracies under attack, worst cases, distances, transfers, traces, signs of masking."""
