"""The ports of a trial, implemented with Azure's SDKs."""
