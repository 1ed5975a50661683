"""Real MongoDB and Redis servers started as children, for machines that have none.

``mongod`` and ``redis-server`` come from wheels (requirements-embedded.txt) or from PATH. They listen on
loopback only and keep their data below ``DATA_DIR``.
"""
