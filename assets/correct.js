// Correcting the image in the dialog. A accepts, R rejects, L goes to the list of classes, and Enter there relabels.
{
  const dialog = element.querySelector("dialog");
  const part = (what) => dialog.querySelector(`.say ${what}`);
  let queue = Promise.resolve(); // one after the other, in the order of the presses

  async function say(look, verdict, label) {
    const answer = await server.correct(JSON.stringify([...JSON.parse(look), verdict, label]));
    const shown = dialog.querySelector(".detail");
    if (!answer.error) trigger("corrected", {});
    if (!shown || shown.dataset.look !== look) return; // another image is open by now
    if (answer.error) return void (part(".say-now").textContent = answer.error);
    const focused = part(":focus") ? verdict : "";
    shown.querySelector(".say").outerHTML = answer.html;
    if (focused) (part(`[data-say="${focused}"]`) || part("[data-say]")).focus();
  }
  dialog.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-say]");
    if (!chosen) return;
    const { look } = dialog.querySelector(".detail").dataset;
    const verdict = chosen.dataset.say;
    const label = verdict === "relabelled" ? part("select").value : "";
    queue = queue.then(() => say(look, verdict, label)).catch(() => {});
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !part("*")) return;
    if (event.target.closest(".say select")) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      return part('[data-say="relabelled"]').click();
    }
    if (event.target.closest("input, textarea") || !/^[arl]$/i.test(event.key)) return;
    const wanted = part(`[aria-keyshortcuts="${event.key.toLowerCase()}"]`);
    event.preventDefault();
    if (wanted.matches("select")) wanted.focus();
    else wanted.click();
  });
}
