// Files, folders and zips that are dropped on an upload area (.drop-zone) go the way of its button,
// which takes no folders by itself. A drop beside it does nothing: the browser would leave the page.
const zoneOf = (event) => (event.target.closest ? event.target.closest(".drop-zone") : null);
const light = (zone) => {
  for (const each of document.querySelectorAll(".drop-zone")) each.classList.toggle("drop-over", each === zone);
};
const carriesFiles = (event) => [...event.dataTransfer.types].includes("Files");

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail)); // 100 at a time
    if (!some.length) return found;
    for (const inside of some) found.push(...(await filesOf(inside)));
  }
}

document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  light(zoneOf(event));
});
document.addEventListener("dragleave", () => light(null));
document.addEventListener("drop", async (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  light(null);
  const zone = zoneOf(event);
  if (!zone) return;
  // All of them at once: the list is empty as soon as this function has waited for anything.
  const found = [...event.dataTransfer.items].map((item) => {
    const entry = item.webkitGetAsEntry();
    return entry ? filesOf(entry) : [item.getAsFile()];
  });
  const files = (await Promise.all(found)).flat().filter(Boolean);
  const carrier = new DataTransfer();
  const endings = zone.querySelector("[data-endings]").dataset.endings.split(" ");
  const isRead = (name) => !name.startsWith(".") && endings.some((ending) => name.toLowerCase().endsWith(ending));
  for (const file of files) if (isRead(file.name)) carrier.items.add(file);
  // Where nothing is left the studio says why, by the name alone.
  if (!carrier.files.length && files.length) carrier.items.add(new File(["-"], files[0].name));
  const input = zone.querySelector("input[type=file]");
  input.files = carrier.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
