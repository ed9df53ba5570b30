"""Floor 4: the models, one file a paper. Each opens with the paper's objective, in its symbols.

gan      Goodfellow et al. 2014: the game, both losses of the generator
dcgan    Radford et al. 2015: the convolutional networks that make it train
remedies Salimans et al. 2016 and others: small changes of the GAN against collapse
unrolled Metz et al. 2016: one of them, a generator that looks ahead through D's own steps
wgan     Arjovsky et al. 2017: a critic's estimate of the Wasserstein distance, by clipped weights
wgan_gp  Gulrajani et al. 2017: the same by a penalty on the critic's gradient
progan   Karras et al. 2017: the same of networks that grow with the images
lapgan   Denton et al. 2015: a GAN for each level of a Laplacian pyramid
autoencoder
         Hinton & Salakhutdinov 2006, Vincent et al. 2008: codes without a prior, four kinds
vae      Kingma & Welling 2013: the evidence lower bound, Gaussian and Bernoulli observations
iwae     Burda et al. 2015: the k-sample bound
aae      Makhzani et al. 2015: an autoencoder whose codes a discriminator makes to follow a prior
cvae     Sohn et al. 2015: the VAE of a class
cgan     Mirza & Osindero 2014: the GAN of a class
cdcgan   the same of convolutional networks: labels that are ignored, and Miyato & Koyama's mend
acgan    Odena et al. 2016: a discriminator that tells the class, too
infogan  Chen et al. 2016: classes that nobody labelled, found by keeping information
made     Germain et al. 2015: log p(x) by an autoencoder with masks
pixelcnn van den Oord et al. 2016: log p(x) by masked convolutions
moments  the Gaussian that an autoencoder's codes are taken for, where one is to draw from it
priors   the priors of the AAE: swiss roll, mixture on a circle, Gaussian, a part for each label

What they share: `model` (a step in two halves, what a checkpoint holds), `config` (options),
`players` (G, D and their noise), `conditional` (drawing the class that is asked for) and
`autoregressive` (log p(x) as a sum over the pixels, drawn one after the other).

To add one: its file, with a `Config` and a `build(config, setup, rng)`, and a place in MODELS,
which examples, `tinygen sample`, docs/formulas.py and tests read.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..errors import UsageError
from . import (
    aae,
    acgan,
    autoencoder,
    cdcgan,
    cgan,
    cvae,
    gan,
    infogan,
    iwae,
    lapgan,
    made,
    pixelcnn,
    progan,
    remedies,
    vae,
    wgan,
    wgan_gp,
)
from .config import Config
from .model import Model, Setup

MODELS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        *(gan, remedies, wgan, wgan_gp, progan, lapgan),
        *(autoencoder, vae, iwae, aae, cvae),
        *(cgan, cdcgan, acgan, infogan),
        *(made, pixelcnn),
    )
}


def named(name: Any) -> ModuleType:
    """The module of a model. Raises UsageError if there is none of this name."""
    if name not in MODELS:
        raise UsageError(f"wanted a model among {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]


__all__ = ["MODELS", "Config", "Model", "Setup", "named"]
