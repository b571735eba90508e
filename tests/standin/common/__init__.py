"""What the stand-in's client and server share: the SQL protocol and the dialect."""
