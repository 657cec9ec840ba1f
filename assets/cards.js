// A gallery of cards. A press opens an image, a box ticks it, Shift ticks all between this box and
// the last; A, R and Z correct the card that has the focus and go on to the next one. Python keeps
// which are ticked, so that they stay when the page of the gallery is turned.
const boxes = () => [...element.querySelectorAll("[data-tick]")];
const cards = () => [...element.querySelectorAll(".card-open")];
let last = ""; // the box that was ticked last
let next = ""; // the card that gets the focus when the answer is there

function tick(changed, on) {
  for (const box of changed) box.checked = on;
  trigger("tick", { images: changed.map((box) => Number(box.dataset.tick)), on });
  all();
}

function all() {
  const whole = element.querySelector("[data-tick-all]");
  if (whole) whole.checked = boxes().every((box) => box.checked);
}

function between(box) {
  const found = boxes(), from = found.findIndex((other) => other.dataset.tick === last), to = found.indexOf(box);
  return from < 0 ? [box] : found.slice(Math.min(from, to), Math.max(from, to) + 1);
}

element.addEventListener("click", (event) => {
  const box = event.target.closest("[data-tick]");
  if (box) {
    tick(event.shiftKey ? between(box) : [box], box.checked);
    last = box.dataset.tick;
    return;
  }
  const whole = event.target.closest("[data-tick-all]");
  if (whole) return tick(boxes(), whole.checked);
  const card = event.target.closest("[data-pick]");
  if (card) trigger("select", { pick: card.dataset.pick });
});

element.addEventListener("keydown", (event) => {
  const card = event.target.closest(".card-open");
  if (!card || event.altKey || event.ctrlKey || event.metaKey || event.repeat || window.studioKeysOff) return;
  const key = meant(event), verdict = { a: "accepted", r: "rejected" }[key];
  const found = cards(), at = found.indexOf(card), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (verdict) {
    const after = found[at + 1] || found[at - 1];
    next = after ? after.dataset.pick : "";
    if (after) after.focus();
    trigger("answer", { image: Number(card.dataset.pick), verdict });
  } else if (key === "x") card.parentElement.querySelector("[data-tick]")?.click();
  else if (key === "z") { next = card.dataset.pick; trigger("undo", {}); }
  else if (/^[1-9l]$/.test(key)) card.click(); // the names and their numbers stand beside the image
  else if (step) found[at + step]?.focus();
  else return;
  event.preventDefault();
});

watch("value", () => requestAnimationFrame(() => {
  // Boxes that were pressed keep their state when the page changes their attribute.
  for (const box of boxes()) box.checked = box.defaultChecked;
  all();
  const here = !document.activeElement || document.activeElement === document.body || element.contains(document.activeElement);
  if (here && next) element.querySelector(`.card-open[data-pick="${next}"]`)?.focus();
  next = "";
}));
