// One image in a modal dialog: opens when Python sends one, and walks on by buttons or arrow keys.
const dialog = element.querySelector("dialog");
const where = dialog.querySelector(".detail-where");
const steps = [...dialog.querySelectorAll("[data-step]")];
let asked = 0;

watch("value", () => {
  const shown = dialog.querySelector(".detail");
  if (!props.value || !shown) return;
  const held = document.activeElement;
  where.textContent = shown.dataset.where;
  const open = shown.dataset.steps.split(" ");
  for (const button of steps) button.disabled = !open.includes(button.dataset.step);
  // Each answer takes the dialog's "open" away, for it is not in the template; so the focus moved.
  if (!dialog.open) dialog.showModal();
  if (dialog.contains(held)) (held.disabled ? steps.find((b) => !b.disabled) : held)?.focus();
  dialog.scrollTop = 0;
  nearest(shown);
});

// The nearest images come after the picture: their features may have to be read first.
async function nearest(shown) {
  const mine = ++asked;
  const part = shown.querySelector("[data-near] > div");
  while (dialog.open && mine === asked) {
    const answer = await server.nearest(shown.dataset.look);
    if (mine !== asked || !part.isConnected) return;
    if (part.innerHTML !== answer.html) part.innerHTML = answer.html;
    if (!answer.again) return;
    await new Promise((resolve) => setTimeout(resolve, 800));
  }
}

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) return dialog.close(); // outside of the content
  const chosen = event.target.closest("[data-pick]");
  if (!chosen) return;
  trigger("select", { pick: chosen.dataset.pick });
  if (chosen.hasAttribute("data-closes")) dialog.close(); // what it selects lies behind
});
dialog.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.altKey || event.ctrlKey || event.metaKey) return;
  const button = { ArrowLeft: steps[0], ArrowRight: steps[1] }[event.key];
  if (!button || button.disabled) return;
  event.preventDefault();
  trigger("select", { pick: button.dataset.pick });
});
// An emptied value lets the same image be opened twice.
dialog.addEventListener("close", () => {
  asked += 1;
  props.value = "";
});
