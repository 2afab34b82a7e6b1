"""What stands around the ELT: private servers, a synthetic clinic, grants and the demo."""
