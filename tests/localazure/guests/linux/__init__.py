"""Real Linux guests: their parts, without QEMU."""
