"""Registers as files: reading the spreadsheets people keep, and writing ours. Knows no Django and no model."""
