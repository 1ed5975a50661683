"""What ``manage.py up`` does: embedded servers, preparation of the database, the web server, and their orderly end."""
