"use strict";
for (const figure of document.querySelectorAll(".figure")) {
  const section = figure.closest("section");
  const svg = figure.querySelector("svg");
  if (!svg) continue;
  const width = svg.viewBox.baseVal.width;
  let zoom = 1;
  const set = (value) => {
    zoom = Math.min(4, Math.max(0.25, value));
    figure.classList.toggle("zoomed", zoom !== 1);
    if (zoom === 1) svg.removeAttribute("style");
    else svg.style.width = `${width * zoom * 1.2}px`;
  };
  section.querySelector("[data-zoom=in]").addEventListener("click", () => set(zoom * 1.25));
  section.querySelector("[data-zoom=out]").addEventListener("click", () => set(zoom / 1.25));
  section.querySelector("[data-zoom=fit]").addEventListener("click", () => set(1));
  for (const box of figure.querySelectorAll(".box")) {
    const part = [...section.querySelectorAll(".part")].find((each) => each.dataset.box === box.id);
    if (!part) continue;
    box.addEventListener("click", () => {
      part.open = true;
      part.scrollIntoView({ block: "nearest", behavior: "smooth" });
      part.querySelector("summary").focus();
    });
  }
}
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.claim:not([open]):not([data-status=match])")];
  for (const each of opened) each.open = true;
});
window.addEventListener("afterprint", () => {
  for (const each of opened) each.open = false;
});
