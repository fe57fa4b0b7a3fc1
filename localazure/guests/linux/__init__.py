"""A guest that is a real Linux: Debian under QEMU, with systemd, journald and a disk that stays."""
