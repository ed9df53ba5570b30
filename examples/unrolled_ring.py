"""Does a GAN find all eight modes? python examples/unrolled_ring.py

The ring of Metz et al. 2016, section 3.1: points of eight Gaussians around a circle. Trains G and
D on it, for each K of --unroll, with G's loss of tinygen/models/unrolled.py, from --seeds seeds.
With K = 0, the plain GAN, G runs from one mode to the next. A few minutes. Leaves:

    ring.json   for each K and seed: modes covered and points on target at eight times, and seconds
    ring.png    where G's points are at these times, from the first seed, beside the real ones

A mode is covered if at least 1 % of 2,000 points lie within 10σ = 0.2 of its centre, an eighth of
the way to the next. Points on target are those within 3σ of a centre. Mind that points spread
evenly along the circle cover all eight, with 8 % of them on target.

As in the paper's appendix A: the ring, 256 dimensions of z, hidden layers of 128, D's input divided
by 4, saturating losses, orthogonal weights of gain 0.8, Adam with β₁ = 0.5. Not as there: rates of
2e-3 for G and 5e-3 for D in place of 1e-4, which fall to 0 along a cosine, so that 1,000 steps show
what took 25,000; batches of 256 in place of 512.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

import tinygen as tg
from tinygen import nn, plots, train
from tinygen.device import check_device
from tinygen.models import gan
from tinygen.models.config import COUNT, NATURAL
from tinygen.models.unrolled import unrolled_loss
from tinygen.train.run import free_folder
from tinygen.weights import write_json

MODES, RADIUS, SIGMA = 8, 2.0, 0.02
NEAR, TARGET, SHARE = 10 * SIGMA, 3 * SIGMA, 0.01
Z, HIDDEN, BETAS = 256, 128, (0.5, 0.999)
MARKS, POINTS = 8, 2000  # how often and by how many points G is looked at


def main() -> None:
    options = flags()
    run = train.Run.create(options.out, {k: v for k, v in vars(options).items() if k != "out"})
    found, clouds = {}, {}
    for K in options.unroll:
        rows = []
        for seed in range(options.seed, options.seed + options.seeds):
            seen, seconds = trained(K, seed, options)
            covered, target = zip(*map(counted, seen.values()), strict=True)
            rows.append({"seed": seed, "modes": covered, "target": target, "seconds": seconds})
            clouds.setdefault(f"K = {K}", seen)
            found[K] = {"steps": list(seen), "runs": rows}
            write_json(run.folder / "ring.json", found)
    for K, of_K in found.items():
        print(line(K, of_K))
    beside = real(POINTS, np.random.default_rng(options.seed))
    plots.save(plots.journeys(clouds, beside), run.folder / "ring.png")
    print(run.folder / "ring.png")


def flags():
    """What the user asks for. Raises UsageError or DeviceError."""
    p = train.Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    count, natural = train.argument(COUNT), train.argument(NATURAL)
    p.add_argument("--unroll", type=natural, nargs="+", default=[0, 5], help="K (default: 0 5)")
    p.add_argument("--steps", type=count, default=1000, help="of each player (default: 1000)")
    p.add_argument("--batch", type=count, default=256, help="points a step (default: 256)")
    p.add_argument("--seeds", type=count, default=3, help="runs for each K (default: 3)")
    p.add_argument("--seed", type=natural, default=0, help="the first of them (default: 0)")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute")
    p.add_argument("--out", metavar="DIR", help="folder to write to (default: runs/unrolled_ring)")
    options = p.parse_args()
    options.out = options.out or free_folder("runs/unrolled_ring")
    if (Path(options.out) / "config.json").exists():
        raise train.UsageError(f"{options.out} holds a run already: choose another --out")
    check_device(options.device)
    if options.steps < MARKS:
        raise train.UsageError(f"--steps: wanted {MARKS} or more, got {options.steps}")
    return options


def real(n, rng):
    """n points of the ring."""
    return centres()[rng.integers(MODES, size=n)] + SIGMA * rng.standard_normal((n, 2))


def centres():
    angle = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def trained(K, seed, options):
    """Trains G and D. Returns G's points by step, always of the same z, and the seconds it took."""
    rng, looked_at = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    like = {"activation": tg.relu, "init": nn.init.orthogonal(0.8), "rng": rng}
    G = nn.dense(Z, HIDDEN, HIDDEN, 2, **like).to(options.device)
    D = nn.Sequential(scaled, *nn.dense(2, HIDDEN, 1, **like)).to(options.device)
    opt_G, opt_D = (
        tg.optim.Adam(n.parameters(), lr=tg.optim.cosine(lr, steps=options.steps), betas=BETAS)
        for n, lr in ((G, 2e-3), (D, 5e-3))
    )
    on = lambda array: tg.tensor(array, device=options.device)
    z_seen, seen, seconds = on(looked_at.standard_normal((POINTS, Z))), {}, 0.0
    marks = {round(options.steps * (k + 1) / MARKS) for k in range(MARKS)}
    for step in tqdm(range(1, options.steps + 1), desc=f"K = {K}, seed {seed}"):
        began = time.perf_counter()
        x, z_D, z_G = real(options.batch, rng), *rng.standard_normal((2, options.batch, Z))
        opt_D.step(tg.grad(-gan.value(D, G, on(x), on(z_D)).V, opt_D.params))
        loss_G = unrolled_loss(D, G, opt_D, on(x), on(z_G), K=K, loss="saturating")
        opt_G.step(tg.grad(loss_G, opt_G.params))
        seconds += time.perf_counter() - began
        if step in marks:
            with tg.no_grad():
                seen[step] = G(z_seen).numpy()
    return seen, seconds


def scaled(x):
    return x / 4.0


def counted(points):
    """(modes covered, share of the points that are on target)."""
    apart = np.linalg.norm(points[:, None] - centres(), axis=2)
    of_mode = (apart < NEAR).mean(axis=0)
    return int((of_mode >= SHARE).sum()), float((apart.min(axis=1) < TARGET).mean())


def line(K, of_K):
    """What became of a K in the end: means over the seeds."""
    last = {name: [row[name][-1] for row in of_K["runs"]] for name in ("modes", "target")}
    worst = min(min(row["modes"][MARKS // 2 :]) for row in of_K["runs"])
    spread = {name: np.std(v, ddof=1) if len(v) > 1 else 0.0 for name, v in last.items()}
    seconds = np.mean([row["seconds"] for row in of_K["runs"]])
    return (
        f"K = {K}: {np.mean(last['modes']):.1f} ± {spread['modes']:.1f} of {MODES} modes "
        f"(fewest in the second half: {worst}), {np.mean(last['target']):.1%} ± "
        f"{spread['target']:.1%} of the points on target, {seconds:.0f} s a run"
    )


if __name__ == "__main__":
    train.report_errors(main)
