// Parts that the user unfolded stay so when Python sends new contents.
const unfolded = new Set();
element.addEventListener("toggle", (event) => {
  const key = event.target.dataset && event.target.dataset.keep;
  if (key) event.target.open ? unfolded.add(key) : unfolded.delete(key);
}, true); // "toggle" does not bubble
watch("value", () => {
  for (const part of element.querySelectorAll("details[data-keep]")) {
    part.open = unfolded.has(part.dataset.keep);
  }
});
