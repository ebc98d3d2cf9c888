"""What runs a network: devices, several of them, several hosts, and inference on all of them."""
