// On a narrow screen what was selected lies below what was pressed: bring it into view when the
// answer comes, unless its user has gone on to something else meanwhile.
let pressed = 0;
for (const other of ["keydown", "touchmove", "wheel"]) {
  document.addEventListener(other, () => (pressed = 0), { capture: true, passive: true });
}
document.addEventListener("click", (event) => {
  pressed = event.target.closest("#confusion-map, #gallery-duplicates") ? Date.now() : 0;
}, true);
watch("value", () => {
  if (Date.now() - pressed > 30000 || element.getBoundingClientRect().top < window.innerHeight - 80) return;
  pressed = 0;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
});
