"""Train a PixelCNN on binarised MNIST, measure log p(x): python examples/pixelcnn_mnist.py

The masks and both networks, gated and residual, are in tinygen/models/pixelcnn.py. Each epoch
leaves a grid of samples, which take 784 passes of the network, one a pixel. At the end there is
also:

    density.json       the exact NLL on the test split, in nats and in bits a pixel
    completions.png    test digits, their upper halves, and four lower halves drawn for each
    receptive.png      what a pixel's logit depends on, in both networks: the residual one's stacked
                       masks leave a blind spot, the gated one's two stacks do not
"""

import numpy as np
from matplotlib.figure import Figure

import tinygen as tg
from tinygen import plots, report, train
from tinygen.models import Setup, pixelcnn


def main() -> None:
    p = train.parser(__doc__, pixelcnn, out="runs/pixelcnn_mnist", epochs=1, batch=16)
    training = train.prepare(p)
    plots.save(receptive_fields(training.dataset.images.shape[1:]), training.run.folder / FIELDS)
    training.announce()
    training.fit()
    test = report.binarised_test(training)
    report.report_density(training, test)
    report.draw_completions(training, test)
    print(training.run.last_grid())


FIELDS = "receptive.png"


def receptive_fields(shape, blocks=8) -> Figure:
    """For each network the pixels that the logit in the middle depends on, and how strongly."""
    row, column = shape[0] // 2, shape[1] // 2
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    for axes, arch in zip(figure.subplots(1, 2), ("residual", "gated"), strict=True):
        config = pixelcnn.Config(arch=arch, kernel=3, blocks=blocks)
        model = pixelcnn.build(config, Setup(shape), np.random.default_rng(0))
        x = tg.tensor(np.random.default_rng(1).random((20, *shape)).round(), requires_grad=True)
        (g,) = tg.grad(tg.sum(model.net(x)[:, row, column]), [x])
        strength = np.abs(g.numpy()).mean(axis=(0, 3))
        shown = np.where(strength > 0, np.log10(strength + 1e-12), np.nan)
        axes.imshow(shown, cmap="Blues", vmin=-6)
        axes.plot(column, row, "s", color=plots.LINES[1], markersize=6)
        before = row * shape[1] + column
        axes.set_title(f"{arch}: {np.count_nonzero(strength)} of {before} pixels before it")
        axes.set_facecolor("#dddddd")
        axes.set_xticks([])
        axes.set_yticks([])
    figure.suptitle(f"What the logit of the red pixel depends on, {blocks} blocks")
    return figure


if __name__ == "__main__":
    train.report_errors(main)
