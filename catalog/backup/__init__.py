"""Backups of the catalogue's database: files of compressed BSON and a manifest with checksums."""
