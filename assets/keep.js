// Parts that the user unfolded or folded stay so when Python sends new contents.
const decided = new Map();
element.addEventListener("click", (event) => {
  const part = event.target.closest("summary")?.parentElement;
  // It turns over after this. Not "toggle": that also tells of a part that arrives unfolded.
  if (part?.dataset.keep) decided.set(part.dataset.keep, !part.open);
});
watch("value", () => {
  for (const part of element.querySelectorAll("details[data-keep]")) {
    if (decided.has(part.dataset.keep)) part.open = decided.get(part.dataset.keep);
  }
});
