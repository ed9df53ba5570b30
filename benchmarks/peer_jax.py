"""JAX's training steps, each one jitted function. See work.py."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from work import ADAM, EPS, LAMBDA, NETS, S

softplus, sigmoid = jax.nn.softplus, jax.nn.sigmoid


def normalise(x, axes):
    mean = x.mean(axes, keepdims=True)
    var = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5), mean, var


def apply(layers, params, x):
    """(the network on x, the mean and variance of each batch norm)."""
    params, stats = iter(params), []
    for kind, *how in layers:
        if kind == "linear":
            x = x @ next(params)
            x = x + next(params) if how[2] else x
        elif kind == "conv":
            numbers = ("NHWC", "HWIO", "NHWC")
            x = lax.conv_general_dilated(
                x, next(params), (2, 2), [(1, 1), (1, 1)], dimension_numbers=numbers
            )
            x = x + next(params) if how[2] else x
        elif kind == "conv_transpose":
            w = jnp.flip(next(params), (0, 1))
            numbers = ("NHWC", "HWOI", "NHWC")
            x = lax.conv_general_dilated(
                *(x, w, (1, 1), [(2, 2), (2, 2)]), lhs_dilation=(2, 2), dimension_numbers=numbers
            )
            x = x + next(params) if how[2] else x
        elif kind == "batch_norm":
            n = x.size // x.shape[-1]
            x, mean, var = normalise(x, tuple(range(x.ndim - 1)))
            stats.append((mean.ravel(), var.ravel() * (n / (n - 1))))
            x = x * next(params) + next(params)
        elif kind == "layer_norm":
            x = normalise(x, tuple(range(1, x.ndim)))[0] * next(params) + next(params)
        elif kind == "to_image":
            x = x.reshape(-1, *how)
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "leaky":
            x = jnp.where(x > 0, x, how[0] * x)
        else:
            x = {"relu": jax.nn.relu, "tanh": jnp.tanh}[kind](x)
    return x, stats


def moved(running, stats):
    return [
        (0.9 * m + 0.1 * a, 0.9 * v + 0.1 * b)
        for (m, v), (a, b) in zip(running, stats, strict=True)
    ]


def adam(params, gs, state, lr, b1, b2):
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, gs)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, gs)
    scale = lr / (1 - b1**t)
    params = jax.tree.map(
        lambda p, m, v: p - scale * m / (jnp.sqrt(v / (1 - b2**t)) + EPS), params, m, v
    )
    return params, (m, v, t)


def first_state(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    return zeros, zeros, jnp.zeros(())


class Peer:
    def __init__(self, step, variant, weights, inputs):
        phases, self.groups = {
            "gan_mlp": gan, "dcgan": gan, "vae": vae, "aae": aae, "wgan_gp": wgan_gp
        }[step]  # fmt: skip
        params = {n: [jnp.asarray(a) for a in arrays] for n, arrays in weights.items()}
        running = {
            n: [(jnp.zeros(k[1]), jnp.ones(k[1])) for k in layers if k[0] == "batch_norm"]
            for n, layers in NETS[step].items()
        }
        states = {g: first_state([params[n] for n in names(g)]) for g in self.groups}
        self.inputs = {n: jnp.asarray(a) for n, a in inputs.items()}
        self.carry = (params, running, states)
        net = {n: partial(apply, layers) for n, layers in NETS[step].items()}
        update = partial(self.update, ADAM[step])
        self.with_gradients = jax.jit(lambda c, i: phases(net, update, c, i))
        self.jitted = jax.jit(lambda c, i: phases(net, update, c, i)[:2], donate_argnums=0)

    @staticmethod
    def update(how, group, gs, params, states):
        """(params, states) after the optimiser of this group."""
        new, state = adam([params[n] for n in names(group)], gs, states[group], *how)
        return params | dict(zip(names(group), new, strict=True)), states | {group: state}

    def step(self):
        self.carry, losses = self.jitted(self.carry, self.inputs)
        return jax.block_until_ready(losses)

    def numbers(self):
        """A step's losses and gradients."""
        self.carry, losses, grads = self.with_gradients(self.carry, self.inputs)
        flat = {g: [np.asarray(a) for part in gs for a in part] for g, gs in grads.items()}
        return {n: float(v) for n, v in losses.items()}, flat


def names(group):
    return group.split(":")[0].split("+")


def adversary(net, D, real, fake):
    """-V of a discriminator, and its means."""
    a, b = net["D"](D, real)[0], net["D"](D, fake)
    b, stats = b
    loss = softplus(-a).mean() + softplus(b).mean()
    return loss, (sigmoid(a).mean(), sigmoid(b).mean(), net["D"](D, real)[1], stats)


def gan_phases(net, update, carry, i):
    params, running, states = carry
    fake = net["G"](params["G"], i["z1"])[0]

    def loss_D(group):
        return adversary(net, group[0], i["x"], fake)

    (loss, (D_x, D_Gz, one, two)), gs_D = jax.value_and_grad(loss_D, has_aux=True)([params["D"]])
    running = running | {"D": moved(moved(running["D"], one), two)}
    params, states = update("D", gs_D, params, states)

    def loss_G(group):
        x, stats = net["G"](group[0], i["z2"])
        return softplus(-net["D"](params["D"], x)[0]).mean(), stats

    (other, stats), gs_G = jax.value_and_grad(loss_G, has_aux=True)([params["G"]])
    running = running | {"G": moved(running["G"], stats)}
    params, states = update("G", gs_G, params, states)
    losses = {"loss_D": loss, "D_x": D_x, "D_Gz": D_Gz, "loss_G": other}
    return (params, running, states), losses, {"D": gs_D, "G": gs_G}


def vae_phases(net, update, carry, i):
    params, running, states = carry
    x = i["x"]

    def loss_of(group):
        encoder, decoder = group
        mu, log_var = jnp.split(net["encoder"](encoder, x)[0], 2, axis=1)
        x_hat = sigmoid(net["decoder"](decoder, mu + jnp.exp(log_var * 0.5) * i["eps"])[0])
        constant = 784 / 2 * np.log(2 * np.pi * S * S)
        reconstruction = ((x - x_hat) ** 2).sum() / (2 * S * S * len(x)) + constant
        kl = 0.5 * (mu * mu + jnp.exp(log_var) - log_var - 1).sum() / len(x)
        return reconstruction + kl, (reconstruction, kl)

    group = [params["encoder"], params["decoder"]]
    (loss, (reconstruction, kl)), gs = jax.value_and_grad(loss_of, has_aux=True)(group)
    params, states = update("encoder+decoder", gs, params, states)
    losses = {"loss": loss, "reconstruction": reconstruction, "KL": kl}
    return (params, running, states), losses, {"encoder+decoder": gs}


def aae_phases(net, update, carry, i):
    params, running, states = carry

    def reconstruct(group):
        x_hat, stats = net["decoder"](group[1], net["E"](group[0], i["x"])[0])
        return ((i["x"] - x_hat) ** 2).sum() / len(x_hat), stats

    both = [params["E"], params["decoder"]]
    (reconstruction, stats), gs_both = jax.value_and_grad(reconstruct, has_aux=True)(both)
    running = running | {"decoder": moved(running["decoder"], stats)}
    params, states = update("E+decoder", gs_both, params, states)

    codes, back, stats = jax.vjp(lambda E: net["E"](E, i["x"]), params["E"], has_aux=True)
    running = running | {"E": moved(running["E"], stats)}

    def loss_D(group):
        return adversary(net, group[0], i["prior"], codes)

    (loss, (D_z, D_Ex, _, _)), gs_D = jax.value_and_grad(loss_D, has_aux=True)([params["D"]])
    params, states = update("D", gs_D, params, states)
    fool = jax.value_and_grad(lambda codes: softplus(-net["D"](params["D"], codes)[0]).mean())
    loss_E, g = fool(codes)
    gs_E = [back(g)[0]]
    params, states = update("E:2", gs_E, params, states)
    losses = {"reconstruction": reconstruction, "loss_D": loss, "D_z": D_z, "D_Ex": D_Ex}
    gradients = {"E+decoder": gs_both, "D": gs_D, "E:2": gs_E}
    return (params, running, states), losses | {"loss_E": loss_E}, gradients


def wgan_gp_phases(net, update, carry, i):
    params, running, states = carry
    x, eps = i["x"], i["eps"][:, None, None, None]
    fake = net["G"](params["G"], i["z1"])[0]
    between = eps * x + (1 - eps) * fake

    def loss_D(group):
        W = net["D"](group[0], x)[0].mean() - net["D"](group[0], fake)[0].mean()
        g = jax.grad(lambda x: net["D"](group[0], x)[0].sum())(between)
        norm = jnp.sqrt((g.reshape(len(g), -1) ** 2).sum(1))
        penalty = ((norm - 1) ** 2).mean()
        return LAMBDA * penalty - W, (W, penalty)

    (loss, (W, penalty)), gs_D = jax.value_and_grad(loss_D, has_aux=True)([params["D"]])
    params, states = update("D", gs_D, params, states)

    def loss_G(group):
        x, stats = net["G"](group[0], i["z2"])
        return -net["D"](params["D"], x)[0].mean(), stats

    (other, stats), gs_G = jax.value_and_grad(loss_G, has_aux=True)([params["G"]])
    running = running | {"G": moved(running["G"], stats)}
    params, states = update("G", gs_G, params, states)
    losses = {"loss_D": loss, "W": W, "penalty": penalty, "loss_G": other}
    return (params, running, states), losses, {"D": gs_D, "G": gs_G}


gan = gan_phases, ("D", "G")
vae = vae_phases, ("encoder+decoder",)
aae = aae_phases, ("E+decoder", "D", "E:2")
wgan_gp = wgan_gp_phases, ("D", "G")
