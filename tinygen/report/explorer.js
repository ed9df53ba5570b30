// The explorer of explorer.py: the network that draws a model's images, computed in the page.
"use strict";
(() => {
  const root = document.getElementById("explorer");
  const find = (name) => root.querySelector("." + name);
  const net = JSON.parse(find("data").textContent);

  // ---- the network: layers in their order, each a function that may overwrite what it is given

  const half = Float32Array.from({ length: 65536 }, (_, bits) => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
    return bits & 32768 ? -size : size;
  });
  const bytes = atob(net.weights);
  const weights = new Float32Array(bytes.length / 2);
  for (let k = 0; k < weights.length; k++)
    weights[k] = half[bytes.charCodeAt(2 * k) | (bytes.charCodeAt(2 * k + 1) << 8)];
  let taken = 0;
  const take = (count) => weights.subarray(taken, (taken += count));

  const kinds = {
    linear({ inputs, outputs }) {
      const weight = take(inputs * outputs), bias = take(outputs), y = new Float32Array(outputs);
      return (x) => {
        y.set(bias);
        for (let i = 0, k = 0; i < inputs; i++, k += outputs) {
          const v = x[i];
          if (v === 0) continue; // half of them, after a ReLU
          for (let o = 0; o < outputs; o++) y[o] += v * weight[k + o];
        }
        return y;
      };
    },

    // each input pixel adds its kernel to the output pixels below it; weight (kh, kw, C, c)
    conv_transpose({ input: [h, w, c], output: [H, W, C], kernel, stride, padding }) {
      const [kh, kw] = kernel, [down, right] = stride, [top, left] = padding;
      const weight = take(kh * kw * C * c), bias = take(C), y = new Float32Array(H * W * C);
      return (x) => {
        for (let k = 0; k < y.length; k++) y[k] = bias[k % C];
        for (let pixel = 0; pixel < h * w; pixel++) {
          const i = Math.floor(pixel / w) * down - top, j = (pixel % w) * right - left;
          for (let a = Math.max(0, -i); a < kh && i + a < H; a++)
            for (let b = Math.max(0, -j); b < kw && j + b < W; b++) {
              const to = ((i + a) * W + j + b) * C;
              for (let o = 0, k = (a * kw + b) * C * c; o < C; o++) {
                let sum = 0;
                for (let q = pixel * c; q < pixel * c + c; q++, k++) sum += weight[k] * x[q];
                y[to + o] += sum;
              }
            }
        }
        return y;
      };
    },

    batch_norm({ features, eps }) {
      const [mean, variance, gamma, beta] = [0, 1, 2, 3].map(() => take(features));
      const scale = gamma.map((g, k) => g / Math.sqrt(variance[k] + eps));
      const shift = beta.map((b, k) => b - mean[k] * scale[k]);
      return each((v, k) => v * scale[k % features] + shift[k % features]);
    },

    pixel_norm({ features, eps }) { // samples lie flat: features of one pixel beside each other
      return (x) => {
        for (let from = 0; from < x.length; from += features) {
          let sum = 0;
          for (let k = from; k < from + features; k++) sum += x[k] * x[k];
          const scale = 1 / Math.sqrt(sum / features + eps);
          for (let k = from; k < from + features; k++) x[k] *= scale;
        }
        return x;
      };
    },

    upsample2: ({ input: [h, w, c] }) =>
      picked([2 * h, 2 * w, c], (i, j) => (i >> 1) * w + (j >> 1)),

    cut: ({ input: [, w], output, corner: [top, left] }) =>
      picked(output, (i, j) => (i + top) * w + j + left),

    clip: ({ low, high }) => each((v) => Math.min(Math.max(v, low), high)),
    leaky_relu: ({ slope }) => each((v) => (v > 0 ? v : slope * v)),
    tanh: () => each(Math.tanh),
    sigmoid: () => each((v) => 1 / (1 + Math.exp(-v))),
  };

  function each(f) {
    return (x) => {
      for (let k = 0; k < x.length; k++) x[k] = f(x[k], k);
      return x;
    };
  }

  function picked([H, W, C], from) { // pixel (i, j) of the output is the input's from(i, j)-th
    const y = new Float32Array(H * W * C);
    return (x) => {
      for (let i = 0, k = 0; i < H; i++)
        for (let j = 0; j < W; j++)
          for (let c = 0, q = from(i, j) * C; c < C; c++) y[k++] = x[q++];
      return y;
    };
  }

  const layers = net.layers.map((layer) => kinds[layer.kind](layer));
  const forward = (x) => layers.reduce((v, layer) => layer(v), Float32Array.from(x));

  // ---- what it is given: a place on the pad, a category, numbers

  const TILES = 9; // small images along a side of a pad without points
  const plane = find("plane"), select = find("category");
  const sliders = [...root.querySelectorAll(".number")];
  let at = [0, 0], directions;

  function normal() { // N(0, 1): Box & Muller 1958
    return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }

  function turn() { // three draws of z, one for the middle of the pad, two for its directions
    directions = [0, 1, 2].map(() => Array.from({ length: net.latent }, normal));
  }

  function z([a, b]) {
    if (net.latent === 2) return [a, b];
    const [z0, e1, e2] = directions;
    // the weights' squares add up to 1, so that this is a draw from N(0, I), too
    return z0.map((v, k) => (v + a * e1[k] + b * e2[k]) / Math.hypot(1, a, b));
  }

  function input(place) {
    const category = Array.from({ length: net.categories }, (_, k) => +(k === select.selectedIndex));
    return [...z(place), ...category, ...sliders.map((slider) => +slider.value)];
  }

  // ---- what is seen

  const picture = find("picture").getContext("2d"), [height, width, channels] = net.shape;
  const pixels = picture.createImageData(width, height), [low, high] = net.range;

  function paint(place, context) { // what the model draws at a place
    const image = forward(input(place));
    for (let k = 0; k < width * height; k++) {
      for (let c = 0; c < 3; c++) {
        const value = image[k * channels + (channels === 3 ? c : 0)];
        pixels.data[4 * k + c] = (255 * (value - low)) / (high - low);
      }
      pixels.data[4 * k + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
  }

  function show() {
    paint(at, picture);
    find("marker").style.left = `${50 + (50 * at[0]) / net.extent}%`;
    find("marker").style.top = `${50 - (50 * at[1]) / net.extent}%`;
    const names = net.latent === 2 ? ["z₁", "z₂"] : ["a", "b"];
    const text = names.map((name, k) => `${name} = ${at[k].toFixed(2).replace("-", "−")}`);
    find("place").textContent = text.join(", ");
  }

  function drawPlane() {
    const g = plane.getContext("2d");
    if (net.points.length) drawPoints(g, plane.width);
    else drawImages(g, plane.width / TILES);
  }

  function drawPoints(g, size) { // and lines at whole numbers
    const to = (v) => (size / 2) * (1 + v / net.extent);
    g.globalAlpha = 1;
    g.clearRect(0, 0, size, size);
    for (let v = -Math.floor(net.extent); v <= net.extent; v++) {
      g.fillStyle = v ? "#e8e8e8" : "#b8b8b8";
      g.fillRect(to(v) - 1, 0, 2, size);
      g.fillRect(0, to(v) - 1, size, 2);
    }
    g.globalAlpha = 0.5;
    net.points.forEach(([x, y], k) => {
      g.fillStyle = net.colours[net.labels[k]];
      g.fillRect(to(x) - 2, to(-y) - 2, 4, 4);
    });
  }

  function drawImages(g, side) { // small ones, each at its own place
    const tile = Object.assign(document.createElement("canvas"), { width, height });
    const place = (k) => ((2 * k + 1) / TILES - 1) * net.extent;
    for (let row = 0; row < TILES; row++)
      for (let column = 0; column < TILES; column++) {
        paint([place(column), -place(row)], tile.getContext("2d"));
        g.drawImage(tile, column * side, row * side, side, side);
      }
  }

  // ---- what moves it

  function go(a, b) {
    at = [a, b].map((v) => Math.min(Math.max(v, -net.extent), net.extent));
  }

  let dragging = false, request, times = []; // of the drag's last second: when a frame was drawn

  function frame(now) {
    show();
    times = [...times.filter((time) => time > now - 1000), now];
    const rate = (1000 * (times.length - 1)) / (now - times[0]);
    if (times.length > 5) find("rate").textContent = `${Math.round(rate)} frames a second`;
    request = requestAnimationFrame(frame);
  }

  function follow(event) {
    const box = plane.getBoundingClientRect();
    const part = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    go((2 * part[0] - 1) * net.extent, (1 - 2 * part[1]) * net.extent);
  }

  plane.addEventListener("pointerdown", (event) => {
    if (dragging || event.button) return; // a second finger, or not the main button
    plane.setPointerCapture(event.pointerId);
    follow(event);
    [dragging, times] = [true, []];
    request = requestAnimationFrame(frame);
  });
  plane.addEventListener("pointermove", (event) => dragging && follow(event));
  for (const end of ["pointerup", "pointercancel"])
    plane.addEventListener(end, () => {
      dragging = false;
      cancelAnimationFrame(request);
      show();
    });

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  plane.addEventListener("keydown", (event) => {
    const arrow = arrows[event.key], step = net.extent / 20;
    if (!arrow) return;
    event.preventDefault(); // the page stays where it is
    go(at[0] + step * arrow[0], at[1] + step * arrow[1]);
    show();
  });

  function redraw() {
    drawPlane();
    show();
  }

  for (const control of [select, ...sliders]) {
    control?.addEventListener("input", show);
    control?.addEventListener("change", redraw); // a slider that was let go
  }
  find("turn")?.addEventListener("click", () => {
    turn();
    redraw();
  });

  turn();
  redraw();
  window.tinygenExplorer = { draw: (x) => forward(x).slice() };
})();
