"""Snapshots over HTTP: documents for programs, and pages for people."""
