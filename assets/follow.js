// On a narrow screen what was selected lies below what was pressed: bring it into view.
let pressed = 0;
document.addEventListener("click", (event) => {
  pressed = event.target.closest("#confusion-map, #gallery-copies") ? Date.now() : 0;
}, true);
watch("value", () => {
  if (Date.now() - pressed > 5000 || element.getBoundingClientRect().top < window.innerHeight - 80) return;
  pressed = 0;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
});
