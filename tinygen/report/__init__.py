"""Floor 5: what a run looks like to a reader, as parts of an HTML page that needs no network.

explorer    a model's generator or decoder, run in the page: drag through z and see the image change
"""

from . import explorer

__all__ = ["explorer"]
