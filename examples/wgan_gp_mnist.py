"""Train a Wasserstein GAN on MNIST: python examples/wgan_gp_mnist.py

--lipschitz gp      by the gradient penalty (tinygen/models/wgan_gp.py)
--lipschitz clip    by clipped weights (tinygen/models/wgan.py), with the same networks

A step is n_critic steps of the critic, each on --batch images of its own, and one of the generator.
The critic's estimate in curves.png is of W(P_r, P_g) with gp, of an unknown multiple of it with
clip: the two belong on axes of their own.

--arch mlp, fully connected networks, draws rougher strokes, and a step takes a seventh of the time:
try it with --epochs 60. It is what clip has: clipped to [-c, c], the layer norms of a convolutional
critic saturate, and G learned nothing.
"""

from tinygen import train
from tinygen.models import wgan, wgan_gp

MODELS = {"gp": "wgan_gp", "clip": "wgan"}  # how D is held, and by which model


def main() -> None:
    p = train.parser(__doc__, wgan_gp, wgan, out="runs/wgan_gp_mnist", epochs=10, batch=64)
    p.add_argument("--lipschitz", choices=tuple(MODELS), default="gp", help="how D is held")
    training = train.prepare(p, model=lambda options: MODELS[options.lipschitz])
    training.fit()
    print(training.run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
