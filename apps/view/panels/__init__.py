"""One file per panel; each renders one state and keeps none of its own."""
