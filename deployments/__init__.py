"""How the ELT is put to work: private servers, a synthetic clinic, grants, the demo."""
