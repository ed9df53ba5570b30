"""tinygen's training steps: the models as users train them. See work.py."""

import cudatime
import numpy as np
from work import ADAM, EPS, LAMBDA

import tinygen as tg
from tinygen import device as devices
from tinygen.cpu import compiled
from tinygen.models import Setup, aae, dcgan, gan, vae, wgan_gp
from tinygen.optim import Adam

compiled.in_use()  # imports Numba, before memory's level is taken

ORDER = {  # of the optimisers' steps, and whose gradients they get
    "gan_mlp": {"opt_D": "D", "opt_G": "G"},
    "dcgan": {"opt_D": "D", "opt_G": "G"},
    "vae": {"opt": "encoder+decoder"},
    "aae": {"opt_reconstruction": "E+decoder", "opt_D": "D", "opt_E": "E:2"},
    "wgan_gp": {"opt_D": "D", "opt_G": "G"},
}


NAMES = {  # of what the model's step takes, among the inputs that all peers share
    "gan_mlp": {"x": "x", "z_D": "z1", "z_G": "z2"},
    "dcgan": {"x": "x", "z_D": "z1", "z_G": "z2"},
    "vae": {"x": "x", "eps": "eps"},
    "aae": {"x": "x", "z": "prior"},
    "wgan_gp": {"x": "x", "z_D": "z1", "eps": "eps", "z_G": "z2"},
}
STACKED = {"gan_mlp": "z_G", "dcgan": "z_G", "wgan_gp": "z_D eps"}  # one for each of several steps


def build(step, rng, device):
    """The model, with its own Adams set to this comparison's numbers."""
    setup, (lr, *betas) = Setup((28, 28, 1), device=device), ADAM[step]
    if step == "vae":
        model = vae.build(vae.Config(), setup, rng)
    elif step == "aae":
        model = aae.build(aae.Config(prior="gaussian"), setup, rng)
    elif step == "wgan_gp":
        G, D = setup.place(*dcgan.dcgan(setup.shape, rng, width=64, norm="layer"))
        config = wgan_gp.Config(n_critic=1, penalty=LAMBDA)
        model = wgan_gp.WGANGP(G, D, Adam(G.parameters()), Adam(D.parameters()), config)
    else:
        nets = gan.mlp if step == "gan_mlp" else lambda *how: dcgan.dcgan(*how, width=64)
        G, D = setup.place(*nets(setup.shape, rng))
        model = gan.GAN(G, D, Adam(G.parameters()), Adam(D.parameters()))
    for name in ORDER[step]:
        opt = getattr(model, name)
        opt.lr, opt.betas, opt.eps = lr, tuple(betas), EPS
    return model


class Peer:
    """The inputs are on the device from the start, as the peers' are."""

    def __init__(self, step, variant, weights, inputs, device="cpu"):
        self.device = device
        inputs = {name: tg.tensor(a, device=device).data for name, a in inputs.items()}
        self.model = build(step, np.random.default_rng(0), device)
        for name, network in self.model.networks().items():
            for p, array in zip(network.parameters(), weights[name], strict=True):
                assert p.shape == array.shape, (name, p.shape, array.shape)
                p.data[...] = tg.tensor(array, device=device).data
        self.order, stacked = ORDER[step], STACKED.get(step, "").split()
        self.inputs = {name: inputs[given] for name, given in NAMES[step].items()}
        self.inputs |= {name: self.inputs[name][None] for name in stacked}

    def step(self):
        return self.model.update(**self.inputs)

    def synchronise(self):
        if self.device == "cuda":
            cudatime.synchronise(devices.cupy())

    def memory(self):
        """Peak bytes that CuPy's pool has taken of the GPU's memory."""
        pool = getattr(devices.cupy(), "get_default_memory_pool", None)
        return pool().total_bytes() if pool else 0

    def numbers(self):
        """A step's losses and gradients."""
        kept = {}

        def keep(name, step):
            def kept_step(gs):
                kept[name] = [g.numpy() for g in gs]
                step(gs)

            return kept_step

        for opt, name in self.order.items():
            opt = getattr(self.model, opt)
            opt.step = keep(name, opt.step)
        losses = {n: v.item() for n, v in self.step().items()}
        for opt in self.order:
            del getattr(self.model, opt).step  # the method again
        return losses, kept
