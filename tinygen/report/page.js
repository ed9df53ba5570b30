// The grids over time, one of them at a time, chosen by a slider.
for (const strip of document.querySelectorAll(".strip")) {
  const figures = [...strip.querySelectorAll("figure")];
  if (figures.length < 2) continue;
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: figures.length - 1, step: 1 });
  slider.value = figures.length - 1;
  slider.setAttribute("aria-label", "which epoch's samples");
  const show = () => {
    figures.forEach((f, i) => f.classList.toggle("now", i === +slider.value));
    const caption = figures[slider.value].querySelector("figcaption").textContent;
    slider.setAttribute("aria-valuetext", caption);
  };
  slider.addEventListener("input", show);
  strip.prepend(slider);
  strip.classList.add("slider");
  show();
}
