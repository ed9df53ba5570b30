"""PyTorch's training steps: eager (both memory formats) and torch.compile. See work.py.

At its best: fused Adam, gradients by autograd.grad for the parameters that the step moves and no
others, no graph of G where D learns, cross-entropies from logits. On CUDA: exact float32, as ours
(no TF32), and cuDNN may try its algorithms before the first timed step.
"""

import numpy as np
import torch
import torch.nn.functional as F
from work import ADAM, EPS, LAMBDA, NETS, S


def exact_float32():
    """Exact float32 products, and the fastest of cuDNN's exact convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


def apply(layers, params, x, stats=None):
    """The network on x (images NCHW). stats: running mean and variance of each batch norm, moved
    if given."""
    params, moved = iter(params), iter(stats or ())
    for kind, *how in layers:
        if kind == "linear":
            x = F.linear(x, next(params), next(params) if how[2] else None)
        elif kind == "conv":
            x = F.conv2d(x, next(params), next(params) if how[2] else None, 2, 1)
        elif kind == "conv_transpose":
            x = F.conv_transpose2d(x, next(params), next(params) if how[2] else None, 2, 1)
        elif kind == "batch_norm":
            mean, var = next(moved, (None, None))
            x = F.batch_norm(x, mean, var, next(params), next(params), training=True)
        elif kind == "layer_norm":
            gamma, beta = next(params), next(params)
            x = F.layer_norm(x, gamma.shape, gamma, beta)
        elif kind == "to_image":
            h, w, c = how
            x = x.unflatten(1, (c, h, w))
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "leaky":
            x = F.leaky_relu(x, how[0])
        else:
            x = getattr(torch, kind)(x)
    return x


def layouts(layers):
    """For each weight (to torch's layout, back), functions on arrays."""
    found, image = [], None  # image: what the last flatten had, or the next to_image will have
    for place, (kind, *how) in enumerate(layers):
        after = layers[place + 1] if place + 1 < len(layers) else ("",)
        if kind == "flatten":
            image = how
        if kind == "linear":
            found.append(linear(image, after[1:] if after[0] == "to_image" else None))
            found += [bias(after[1:] if after[0] == "to_image" else None)] * how[2]
            image = None
        elif kind.startswith("conv"):
            found.append((lambda a: a.transpose(3, 2, 0, 1), lambda a: a.transpose(2, 3, 1, 0)))
            found += [(np.array, np.array)] * how[2]
        elif kind == "layer_norm" and len(how) == 3:
            found += [(lambda a: a.transpose(2, 0, 1), lambda a: a.transpose(1, 2, 0))] * 2
        elif "norm" in kind:
            found += [(np.array, np.array)] * 2
    return found


def rows(image):
    """The order of an image's numbers in NCHW, from that in NHWC; and back."""
    h, w, c = image
    there = np.arange(h * w * c).reshape(h, w, c).transpose(2, 0, 1).ravel()
    return there, np.argsort(there)


def linear(image_in, image_out):
    def there(a):
        a = a[rows(image_in)[0]] if image_in else a
        return (a[:, rows(image_out)[0]] if image_out else a).T

    def back(a):
        a = a.T
        a = a[rows(image_in)[1]] if image_in else a
        return a[:, rows(image_out)[1]] if image_out else a

    return there, back


def bias(image_out):
    if not image_out:
        return np.array, np.array
    return (lambda a: a[rows(image_out)[0]]), (lambda a: a[rows(image_out)[1]])


class Peer:
    def __init__(self, step, variant, weights, inputs, device="cpu"):
        self.variant, self.device = variant, device
        if device == "cuda":
            exact_float32()
        self.nets = NETS[step]
        self.layouts = {n: layouts(layers) for n, layers in self.nets.items()}
        self.params = {
            n: [
                self.load(to(a)).requires_grad_()
                for (to, _), a in zip(self.layouts[n], arrays, strict=True)
            ]
            for n, arrays in weights.items()
        }
        self.stats = {
            n: [
                (torch.zeros(k[1], device=device), torch.ones(k[1], device=device))
                for k in layers
                if k[0] == "batch_norm"
            ]
            for n, layers in self.nets.items()
        }
        self.inputs = {
            n: self.load(a.transpose(0, 3, 1, 2) if a.ndim == 4 else a) for n, a in inputs.items()
        }
        lr, b1, b2 = ADAM[step]
        self.adam = lambda params: torch.optim.Adam(
            params, lr=lr, betas=(b1, b2), eps=EPS, fused=True
        )
        phases = {"gan_mlp": gan, "dcgan": gan, "vae": vae, "aae": aae, "wgan_gp": wgan_gp}[step]
        self.phases = phases(self, torch.compile if variant == "compile" else lambda f: f)

    def load(self, a):
        t = torch.from_numpy(np.ascontiguousarray(a)).to(self.device)
        if self.variant == "channels_last" and t.ndim == 4:
            t = t.contiguous(memory_format=torch.channels_last)
        return t

    def net(self, name, x, move=False):
        return apply(self.nets[name], self.params[name], x, self.stats[name] if move else None)

    def synchronise(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def memory(self):
        """Peak bytes that torch's pool has taken of the GPU's memory."""
        return torch.cuda.max_memory_reserved()

    def step(self):
        """One training step. Returns {name: loss} and {network: gradients}."""
        losses, grads = {}, {}
        for loss_of, params, opt, names in self.phases:
            found = loss_of()
            gs = torch.autograd.grad(found[0], params)
            for p, g in zip(params, gs, strict=True):
                # fused Adam reads p.grad in p's memory order, whatever g's own is
                p.grad = g if g.stride() == p.stride() else torch.empty_like(p).copy_(g)
            opt.step()
            losses |= zip(names[1:], found, strict=True)
            grads[names[0]] = gs
        return losses, grads

    def numbers(self):
        """A step's losses and gradients in tinygen's layouts."""
        losses, grads = self.step()
        back = {}
        for key, gs in grads.items():
            pairs = [pair for name in key.split("+") for pair in self.layouts[name.split(":")[0]]]
            back[key] = [b(g.cpu().numpy()) for (_, b), g in zip(pairs, gs, strict=True)]
        return {n: float(v.detach()) for n, v in losses.items()}, back


def gan(p, compile_):
    x, z1, z2 = (p.inputs[n] for n in ("x", "z1", "z2"))

    def loss_D():
        with torch.no_grad():
            fake = p.net("G", z1)
        a, b = p.net("D", x, True), p.net("D", fake, True)
        value = F.softplus(-a).mean() + F.softplus(b).mean()
        with torch.no_grad():
            return value, torch.sigmoid(a).mean(), torch.sigmoid(b).mean()

    def loss_G():
        return (F.softplus(-p.net("D", p.net("G", z2, True))).mean(),)

    D, G = p.params["D"], p.params["G"]
    return [
        (compile_(loss_D), D, p.adam(D), ("D", "loss_D", "D_x", "D_Gz")),
        (compile_(loss_G), G, p.adam(G), ("G", "loss_G")),
    ]


def vae(p, compile_):
    x, eps = p.inputs["x"], p.inputs["eps"]

    def loss():
        mu, log_var = p.net("encoder", x).chunk(2, 1)
        x_hat = torch.sigmoid(p.net("decoder", mu + (log_var * 0.5).exp() * eps))
        constant = 784 / 2 * np.log(2 * np.pi * S * S)
        reconstruction = ((x - x_hat) ** 2).sum() / (2 * S * S * len(x)) + constant
        kl = 0.5 * (mu * mu + log_var.exp() - log_var - 1).sum() / len(x)
        return reconstruction + kl, reconstruction, kl

    params = [*p.params["encoder"], *p.params["decoder"]]
    names = ("encoder+decoder", "loss", "reconstruction", "KL")
    return [(compile_(loss), params, p.adam(params), names)]


def aae(p, compile_):
    x, prior = p.inputs["x"], p.inputs["prior"]
    codes = {}

    def reconstruction():
        error = x - p.net("decoder", p.net("E", x), True)
        return ((error * error).sum() / len(x),)

    def encode():
        return p.net("E", x, True)

    def loss_D():
        codes["E"] = encode_()
        return judge_(codes["E"].detach())

    def judge(fake):
        a, b = p.net("D", prior), p.net("D", fake)
        value = F.softplus(-a).mean() + F.softplus(b).mean()
        with torch.no_grad():
            return value, torch.sigmoid(a).mean(), torch.sigmoid(b).mean()

    def fool(fake):
        return F.softplus(-p.net("D", fake)).mean()

    encode_, judge_, fool_ = compile_(encode), compile_(judge), compile_(fool)
    E, decoder, D = (p.params[n] for n in ("E", "decoder", "D"))
    both = [*E, *decoder]
    return [
        (compile_(reconstruction), both, p.adam(both), ("E+decoder", "reconstruction")),
        (loss_D, D, p.adam(D), ("D", "loss_D", "D_z", "D_Ex")),
        (lambda: (fool_(codes["E"]),), E, p.adam(E), ("E:2", "loss_E")),
    ]


def wgan_gp(p, compile_):
    x, z1, z2, eps = (p.inputs[n] for n in ("x", "z1", "z2", "eps"))

    def loss_D():
        with torch.no_grad():
            fake = p.net("G", z1)
            e = eps[:, None, None, None]
            between = e * x + (1 - e) * fake
        W = p.net("D", x).mean() - p.net("D", fake).mean()
        between.requires_grad_()
        (g,) = torch.autograd.grad(p.net("D", between).sum(), between, create_graph=True)
        penalty = ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
        return LAMBDA * penalty - W, W, penalty

    def loss_G():
        return (-p.net("D", p.net("G", z2, True)).mean(),)

    D, G = p.params["D"], p.params["G"]
    return [
        (loss_D, D, p.adam(D), ("D", "loss_D", "W", "penalty")),  # compile: no double backward
        (compile_(loss_G), G, p.adam(G), ("G", "loss_G")),
    ]
