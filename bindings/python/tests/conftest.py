from peer import cert, serve  # noqa: F401
