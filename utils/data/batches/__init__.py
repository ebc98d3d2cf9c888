"""From records to training batches."""
