"""The five training steps that are compared: networks, first weights, inputs. No framework here.

A network is a list of layers. Weights are in tinygen's layouts: linear (in, out), convolution
(kh, kw, in, out), transposed convolution (kh, kw, out, in); images are (N, H, W, C).

    linear i o bias    conv i o bias    conv_transpose i o bias    (kernel 4, stride 2, padding 1)
    batch_norm c       layer_norm h w c
    to_image h w c     flatten h w c    relu    tanh    leaky slope
"""

from itertools import pairwise

import numpy as np

STEPS = ("gan_mlp", "dcgan", "vae", "aae", "wgan_gp")
LATENT = 100


def dense(*sizes, activation, end=()):
    """Linear layers with an activation between them, and `end` after the last."""
    layers = []
    for i, o in pairwise(sizes):
        layers += [("linear", i, o, True), activation]
    return [*layers[:-1], *end]


def dcgan_generator():
    return [
        *(("linear", 100, 512, False), ("batch_norm", 512), ("relu",)),
        *(("linear", 512, 7 * 7 * 128, False), ("to_image", 7, 7, 128)),
        *(("batch_norm", 128), ("relu",)),
        *(("conv_transpose", 128, 64, False), ("batch_norm", 64), ("relu",)),
        *(("conv_transpose", 64, 1, True), ("tanh",)),
    ]


def dcgan_discriminator(norm):
    dense_norm = ("layer_norm", 256) if norm == "layer" else ("batch_norm", 256)
    image_norm = ("layer_norm", 7, 7, 128) if norm == "layer" else ("batch_norm", 128)
    return [
        *(("conv", 1, 64, True), ("leaky", 0.2)),
        *(("conv", 64, 128, False), image_norm, ("leaky", 0.2)),
        *(("flatten", 7, 7, 128), ("linear", 7 * 7 * 128, 256, False), dense_norm, ("leaky", 0.2)),
        ("linear", 256, 1, True),
    ]


def aae_half(*sizes, end=()):
    """linear, relu, linear, batch norm, relu, linear."""
    a, b, c, d = sizes
    return [
        *(("linear", a, b, True), ("relu",), ("linear", b, c, True), ("batch_norm", c), ("relu",)),
        *(("linear", c, d, True), *end),
    ]


FLAT, IMAGE = ("flatten", 28, 28, 1), ("to_image", 28, 28, 1)
NETS = {
    "gan_mlp": {
        "G": dense(100, 256, 512, 784, activation=("tanh",), end=(("tanh",), IMAGE)),
        "D": [FLAT, *dense(784, 512, 256, 1, activation=("leaky", 0.01))],
    },
    "dcgan": {"G": dcgan_generator(), "D": dcgan_discriminator("batch")},
    "vae": {
        "encoder": [FLAT, *dense(784, 512, 256, 4, activation=("relu",))],
        "decoder": dense(2, 256, 512, 784, activation=("relu",), end=(IMAGE,)),
    },
    "aae": {
        "E": [FLAT, *aae_half(784, 512, 512, 2)],
        "decoder": aae_half(2, 512, 512, 784, end=(("tanh",), IMAGE)),
        "D": dense(2, 512, 256, 1, activation=("relu",)),
    },
    "wgan_gp": {"G": dcgan_generator(), "D": dcgan_discriminator("layer")},
}
ADAM = {  # lr, β₁, β₂ by step
    "gan_mlp": (2e-4, 0.5, 0.999),
    "dcgan": (2e-4, 0.5, 0.999),
    "vae": (1e-3, 0.9, 0.999),
    "aae": (1e-3, 0.9, 0.999),
    "wgan_gp": (1e-4, 0.0, 0.9),
}
EPS = 1e-3  # Adam's: with 1e-8 its first step is the sign of what may be a rounding error
LAMBDA, S = 10.0, 0.1  # of wgan_gp's penalty; standard deviation of vae's observation


def shapes(layer):
    """The shapes of a layer's weights."""
    kind, *sizes = layer
    if kind == "linear":
        i, o, bias = sizes
        return [(i, o)] + [(o,)] * bias
    if kind in ("conv", "conv_transpose"):
        i, o, bias = sizes
        return [(4, 4, i, o) if kind == "conv" else (4, 4, o, i)] + [(o,)] * bias
    if kind in ("batch_norm", "layer_norm"):
        return [tuple(sizes)] * 2
    return []


def first_weights(step, seed=0):
    """{network: [arrays]}: N(0, 1/fan in) for matrices and kernels; γ is 1; biases, β near 0."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, layers in NETS[step].items():
        arrays = weights[name] = []
        for layer in layers:
            for i, shape in enumerate(shapes(layer)):
                noise = rng.standard_normal(shape)
                if "norm" in layer[0]:
                    array = (1 - i) + 0.1 * noise
                elif i == 1:
                    array = 0.1 * noise
                else:
                    array = noise / np.sqrt(np.prod(shape) / layer[2])
                arrays.append(array.astype(np.float32))
    return weights


def inputs(step, batch, seed=1):
    """The arrays that one step takes, by name, float32."""
    rng = np.random.default_rng(seed)
    low = 0.0 if step == "vae" else -1.0
    strokes = rng.random((batch, 28, 28, 1)) < 0.2  # as dark as digits are
    x = {"x": low + (1 - low) * strokes * rng.random(strokes.shape)}
    if step in ("gan_mlp", "dcgan", "wgan_gp"):
        x |= {
            "z1": rng.standard_normal((batch, LATENT)),
            "z2": rng.standard_normal((batch, LATENT)),
        }
    if step == "wgan_gp":
        x["eps"] = rng.random(batch)
    if step == "vae":
        x["eps"] = rng.standard_normal((batch, 2))
    if step == "aae":
        x["prior"] = 3 * rng.standard_normal((batch, 2))
    return {name: array.astype(np.float32) for name, array in x.items()}
