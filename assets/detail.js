// One image in a modal dialog. Python opens it by a value; from then on functions of the component
// answer with the next image, so that going on takes one short question and nothing is redrawn behind.
const dialog = element.querySelector("dialog");
const body = dialog.querySelector(".dialog-body");
const where = dialog.querySelector(".detail-where");
const message = dialog.querySelector(".answer-message");
const state = dialog.querySelector(".asked-state");
const steps = [...dialog.querySelectorAll("[data-step]")];
let busy = false, changed = false, asked = 0, followed = "";

const shown = () => body.querySelector(".detail");
const place = () => JSON.parse(shown().dataset.place);

watch("value", () => {
  if (!props.value) return;
  message.textContent = state.innerHTML = "";
  show(props.value);
});

function show(html) {
  const held = document.activeElement;
  const same = body.contains(held) && held.matches("[data-answer], [data-undo]") ? selectorOf(held) : "";
  const inside = dialog.contains(held);
  body.innerHTML = html; // made and escaped by the server
  where.textContent = shown().dataset.where;
  const open = shown().dataset.steps.split(" ");
  for (const button of steps) button.disabled = !open.includes(button.dataset.step);
  if (!dialog.open) dialog.showModal();
  const wanted = same ? body.querySelector(same) : held?.disabled ? steps.find((b) => !b.disabled) : null;
  if (wanted) wanted.focus();
  else if (!inside || !dialog.contains(document.activeElement) || held.disabled) dialog.focus();
  dialog.scrollTop = 0;
  nearest();
}

// The button of the next image that says what this one said.
function selectorOf(button) {
  if (button.hasAttribute("data-undo")) return "[data-undo]";
  const key = button.getAttribute("aria-keyshortcuts"); // none: the one that goes with the list
  return key ? `[data-answer][aria-keyshortcuts="${key}"]` : "[data-chosen]";
}

// One question at a time: what is pressed before the answer is there was meant for no image that
// anybody has seen.
async function ask(name, more) {
  if (busy || !shown()) return;
  busy = true;
  try {
    const answer = await server[name](JSON.stringify({ ...place(), ...more }));
    changed ||= Boolean(answer.changed);
    if (!dialog.open) return tellOthers();
    message.textContent = answer.error || answer.message || "";
    if (answer.html) show(answer.html);
    follow(answer);
  } catch {
    message.textContent = "The studio does not answer; try again.";
  } finally {
    busy = false;
  }
}

// How far one is with the images that are worth a look. Labels that follow the answers are shown
// behind the dialog at once.
function follow(answer) {
  if (answer.error || answer.state === undefined) return;
  state.innerHTML = answer.state; // made and escaped by the server
  if (followed !== answer.followed && answer.followed) { changed = false; trigger("corrected", {}); }
  followed = answer.followed;
}

// What lies behind the dialog follows when it is closed.
function tellOthers() {
  if (changed) trigger("corrected", {});
  changed = false;
}

// The nearest images come after the picture: their features may have to be read first.
async function nearest() {
  const mine = ++asked, image = shown(), part = body.querySelector("[data-near] > div");
  while (dialog.open && mine === asked && image.isConnected) {
    const answer = await server.nearest_images(JSON.stringify(place()));
    if (mine !== asked || !image.isConnected) return;
    if (part && part.innerHTML !== answer.html) part.innerHTML = answer.html || "";
    follow(answer);
    if (!answer.again) return;
    await new Promise((resolve) => setTimeout(resolve, 800));
  }
}

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) return dialog.close(); // outside of the content
  const chosen = event.target.closest("[data-step], [data-show], [data-pick], [data-more], [data-close]");
  if (!chosen) return;
  if (chosen.hasAttribute("data-more")) return ask("ask_more", {});
  if (chosen.hasAttribute("data-close")) return dialog.close();
  if (chosen.dataset.step) return ask("show_image", { step: chosen.dataset.step === "on" ? 1 : -1 });
  if (chosen.dataset.show) return ask("show_image", { to: Number(chosen.dataset.show) });
  trigger("select", { pick: chosen.dataset.pick });
  dialog.close(); // what it selects lies behind
});
dialog.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.altKey || event.ctrlKey || event.metaKey) return;
  const button = { ArrowLeft: steps[0], ArrowRight: steps[1] }[event.key];
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
});
dialog.addEventListener("close", () => {
  asked += 1;
  followed = "";
  props.value = ""; // so that the same image can be opened twice
  if (!busy) tellOthers();
});
