// A click on anything with data-pick raises "select"; children come and go, so one listener on top.
element.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-pick]");
  if (!chosen || !element.contains(chosen)) return;
  trigger("select", { pick: chosen.dataset.pick });
});
