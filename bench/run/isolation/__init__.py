"""How a method runs apart from everything else: its process, its limits, its messages, its end."""
