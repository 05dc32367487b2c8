"""What compression costs in quality: quantised and measured, or told before from one layer at a time."""
