"""Projects that show vigil on real data."""
