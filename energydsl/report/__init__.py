"""What people read: explanations, pictures, curves."""
