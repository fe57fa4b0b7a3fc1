"""The agent as a service of systemd: an unprivileged watcher, and a helper as root for hooks and units."""
