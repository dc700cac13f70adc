"""What the chapters of the book call: ten small rooms, arrows one way."""
