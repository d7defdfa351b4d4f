"""Networks, one architecture per file; plain torch, nothing of streamkit."""
