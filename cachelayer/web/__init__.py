"""What stands between a request and its view, and how answers are told to people."""
