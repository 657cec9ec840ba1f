// Opens the dialog whenever Python sends it something to show. The browser keeps focus and Escape.
const dialog = element.querySelector("dialog");
watch("value", () => {
  if (props.value && !dialog.open) dialog.showModal();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // outside of the content
});
// An emptied value lets the same image be opened twice.
dialog.addEventListener("close", () => {
  props.value = "";
});
