"""Floor 0: what makes NumPy fast on this machine's CPU. `memory` keeps freed arrays at hand."""
