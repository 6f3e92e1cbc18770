"""Which engine should run the small model where there is no graphics card: several, measured on one directory."""
