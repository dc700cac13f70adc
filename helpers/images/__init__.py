"""Real images as tensors, and what is done to them before a network sees them."""
