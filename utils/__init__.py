"""Everything around the network: data, training, evaluation, detection, pictures."""
