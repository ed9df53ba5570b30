"""Floor 5: what a run looks like to a reader: its scores, and a page that needs no network.

evaluation  a run's scores beside those of real images; scores.json and report.html
page        the page, from an evaluation
explorer    a part of it: a model's generator or decoder, run in the page: drag through z and see
            the image change
layers      networks as the explorer takes them
embedding   t-SNE and PCA of real, generated and latent points
table       tables of comparisons, as Markdown
density     the exact NLL of models that write log p(x) down, and digits that they complete
"""

from .density import binarised_test, draw_completions, report_density
from .evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "binarised_test", "draw_completions", "evaluate", "report_density"]
