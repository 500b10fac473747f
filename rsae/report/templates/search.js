const field = document.getElementById("search"), said = document.getElementById("found");
const rows = [...document.querySelectorAll("[data-latent]")], groups = [...document.querySelectorAll("details.latents")];
function show() {
  const text = field.value.trim().toLowerCase(), number = /^\d+$/.test(text);
  let count = 0;
  for (const row of rows) {
    const hit = !text || (number ? row.dataset.latent === text : row.textContent.toLowerCase().includes(text));
    row.hidden = !hit;
    count += hit;
  }
  for (const group of groups) {
    const hits = group.querySelectorAll("[data-latent]:not([hidden])").length;
    group.hidden = !hits;
    group.open = Boolean(text) && hits > 0;
  }
  if (number && count === 1) rows.find((row) => !row.hidden).open = true;
  said.textContent = text ? count + (count === 1 ? " latent" : " latents") : "";
}
function go() {
  const row = document.getElementById(location.hash.slice(1));
  if (!row || !row.dataset.latent) return;
  for (let box = row; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  row.scrollIntoView();
}
if (field) {
  document.getElementById("searching").hidden = false;
  field.addEventListener("input", show);
  addEventListener("hashchange", go);
  go();
}
