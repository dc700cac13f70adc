"""What theory predicts, computed with NumPy and SciPy alone: one file a subject."""
