"""tinygen's training steps: the models as users train them. See work.py."""

import cudatime
import numpy as np
from work import ADAM, EPS

import tinygen as tg
from tinygen import device as devices
from tinygen.models import aae, dcgan, gan, vae, wgan_gp
from tinygen.optim import Adam

ORDER = {  # of the optimisers' steps, and whose gradients they get
    "gan_mlp": {"opt_D": "D", "opt_G": "G"},
    "dcgan": {"opt_D": "D", "opt_G": "G"},
    "vae": {"opt": "encoder+decoder"},
    "aae": {"opt_reconstruction": "E+decoder", "opt_D": "D", "opt_E": "E:2"},
    "wgan_gp": {"opt_D": "D", "opt_G": "G"},
}


class Given:
    """Numbers in place of a generator's: the noise that all peers share."""

    def __init__(self, *arrays):
        self.arrays, self.next = arrays, 0

    def standard_normal(self, size):
        array = self.arrays[self.next % len(self.arrays)]
        self.next += 1
        assert array.shape == (size if isinstance(size, tuple) else (size,)), (array.shape, size)
        return array

    random = standard_normal


def build(step, rng, device):
    """The model, with its own Adams set to this comparison's numbers."""
    shape, (lr, *betas) = (28, 28, 1), ADAM[step]
    common = {"shape": shape, "device": device, "lr": lr}
    if step == "vae":
        how = {"latent": 2, "observation": "gaussian", "s": 0.1, "optimizer": "adam"}
        model = vae.build({**common, **how}, rng)
    elif step == "aae":
        how = {"prior": "gaussian", "labels": False, "classes": 10, "lr_game": lr}
        model = aae.build({**common, **how}, rng)
    elif step == "wgan_gp":
        G, D = (n.to(device) for n in dcgan.dcgan(shape, rng, width=64, norm="layer"))
        model = wgan_gp.WGANGP(G, D, Adam(G.parameters()), Adam(D.parameters()), n_critic=1)
    else:
        nets = gan.mlp(shape, rng) if step == "gan_mlp" else dcgan.dcgan(shape, rng, width=64)
        G, D = (n.to(device) for n in nets)
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
        self.order = ORDER[step]
        self.x = inputs["x"]
        noise = {"vae": ("eps",), "wgan_gp": ("z1", "eps", "z2")}.get(step, ("z1", "z2"))
        if step == "aae":
            self.model.draw = lambda n, rng, labels=None: inputs["prior"]
            noise = ()
        self.rng = Given(*(inputs[n] for n in noise))

    def step(self):
        return self.model.step(self.x, self.rng)

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
