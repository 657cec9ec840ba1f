// Drawing around points. Plotly's own lasso restyles every point at every move of the pointer, which
// is far too slow for tens of thousands; this one draws a line and nothing else until it is let go.
// On a touch screen a drag scrolls the page, and a tap picks an image.
function lineDrawer(plot, { tool, began, done }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "map-line");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.append(path);
  plot.parentElement.append(svg);
  let line = null; // pixels within the plot: [[x, y], ...]

  const place = (event) => {
    const box = plot.getBoundingClientRect();
    return [Math.min(Math.max(event.clientX - box.left, 0), box.width), Math.min(Math.max(event.clientY - box.top, 0), box.height)];
  };
  const corners = () => {
    if (tool() !== "select") return line;
    const [[a, b], [c, d]] = [line[0], line[line.length - 1]];
    return [[a, b], [c, b], [c, d], [a, d]];
  };
  const long = () => Math.max(...line.map(([x, y]) => Math.hypot(x - line[0][0], y - line[0][1]))) > 6;

  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch" || !plot.data) return;
    if (tool() === "lasso" || tool() === "select") line = [place(event)];
  });
  window.addEventListener("pointermove", (event) => {
    if (!line) return;
    if (!element.isConnected || event.buttons === 0) return stop(); // let go where nobody looked
    const [x, y] = place(event), [u, v] = line[line.length - 1];
    if (Math.hypot(x - u, y - v) < 2) return;
    line.push([x, y]);
    if (line.length === 2) began();
    path.setAttribute("d", `M${corners().map((p) => p.join(" ")).join("L")}Z`);
  });
  window.addEventListener("pointerup", (event) => {
    if (!line) return;
    if (line.length > 1 && long()) {
      const { xaxis, yaxis, _size } = plot._fullLayout;
      const around = corners(), step = Math.ceil(around.length / 1000);
      const kept = around.filter((_, i) => i % step === 0);
      done({
        how: tool() === "select" ? "box" : "lasso",
        xs: kept.map(([x]) => xaxis.p2c(x - _size.l)),
        ys: kept.map(([, y]) => yaxis.p2c(y - _size.t)),
        add: event.shiftKey,
      });
    }
    stop();
  });
  window.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });

  function stop() {
    line = null;
    path.removeAttribute("d");
  }
  return { busy: () => line !== null && line.length > 1 };
}
