"""What Azure and we ourselves tell, read into our words. Pure."""
