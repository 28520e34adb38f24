"use strict";
const models = JSON.parse(document.getElementById("data").textContent);
const articles = [...document.querySelectorAll(".model")];
const picks = [...document.querySelectorAll(".pick")];
const checked = (name) => [...document.querySelectorAll(`input[name=${name}]:checked`)].map((each) => each.value);
const filter = () => {
  const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const verdicts = checked("verdict");
  const features = checked("feature");
  let shown = 0;
  for (const each of articles) {
    const own = each.dataset.features.split("|");
    const fits =
      words.every((word) => each.dataset.search.includes(word)) &&
      (!verdicts.length || verdicts.includes(each.dataset.verdict)) &&
      features.every((feature) => own.includes(feature));
    each.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} of ${articles.length} models`;
};
document.getElementById("filters").addEventListener("input", filter);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
const cell = (row, text, key) => {
  const made = document.createElement(key ? "th" : "td");
  if (key) made.scope = "row";
  made.textContent = text;
  row.append(made);
};
const compare = () => {
  const chosen = picks.filter((each) => each.checked).map((each) => models[Number(each.value)]);
  const section = document.getElementById("comparison");
  section.hidden = chosen.length !== 2;
  if (chosen.length !== 2) return;
  const [left, right] = chosen;
  document.getElementById("left").textContent = left.name;
  document.getElementById("right").textContent = right.name;
  const rows = document.getElementById("rows");
  rows.replaceChildren();
  const only = document.getElementById("differences").checked;
  const keys = [...new Set([...Object.keys(left.facts), ...Object.keys(right.facts)])].sort();
  for (const key of keys) {
    const one = left.facts[key] ? left.facts[key][0] : "not known";
    const other = right.facts[key] ? right.facts[key][0] : "not known";
    if (only && one === other) continue;
    const row = document.createElement("tr");
    if (one !== other) row.className = "differs";
    cell(row, key, true);
    cell(row, one);
    cell(row, other);
    rows.append(row);
  }
};
for (const each of picks)
  each.addEventListener("change", () => {
    const chosen = picks.filter((other) => other.checked);
    if (chosen.length > 2) chosen.find((other) => other !== each).checked = false;
    compare();
    if (!document.getElementById("comparison").hidden) document.getElementById("comparison").scrollIntoView({ block: "start" });
  });
document.getElementById("differences").addEventListener("change", compare);
document.getElementById("clear").addEventListener("click", () => {
  for (const each of picks) each.checked = false;
  compare();
  document.getElementById("search").focus();
});
