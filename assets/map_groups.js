// Which colour and shape every point has. A mode sorts points into groups; a group is drawn as one
// plotly trace, which is many times faster than a colour for each point. Colours can be told apart
// by the colour-blind (Okabe and Ito; cividis), and wherever a colour means yes or no, so does the
// shape. The last group lies on top: what is noisy is never hidden by what is clean.
const MODES = {
  clean: "how clean the label is",
  combined: "combined score of the label",
  label: "label",
  disagree: "whether the models disagree",
  confidence: "confidence of the label",
  truth: "what the sub-folder says",
  right: "right or wrong, by sub-folder",
};
const BINS = 10;
const NO_CLASS = 65535;
const SHAPES = ["circle", "diamond", "triangle-up"];
const GLYPHS = { circle: "●", diamond: "◆", "triangle-up": "▲", x: "✕" };
const HUES = { light: ["#0072b2", "#d55e00", "#009e73", "#b3558c", "#b08900", "#2f9fd8", "#4d4d4d"],
  dark: ["#56b4e9", "#f08a3c", "#2cc794", "#dd95bf", "#e6c84a", "#8fb7ff", "#d0d0d0"] };
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const SCALES = { // noisy to clean, through grey; pale ends would vanish on their ground
  light: ["#b34700", "#c2500a", "#cf7334", "#d79564", "#c7ad98", "#a3afb8", "#78a8c8", "#4794c4", "#1a82bd", "#0066a3"],
  dark: ["#ff9c4a", "#f0a35e", "#dd9d68", "#c49b7c", "#a89c95", "#8f9fab", "#7aa5c3", "#66add6", "#56b4e9", "#7cc8f5"],
};

const isDark = () => document.body.classList.contains("dark");

// Without training no label has been judged: there is its confidence only.
const judged = (stage) => !["zero-shot", "together", "answers"].includes(stage);
const sides = (stage) => (judged(stage) ? ["clean", "noisy"] : ["confident", "not confident"]);

function shade(name, symbol, colour, extra = {}) {
  return { name, symbol, colour, ...extra };
}

// {groups, of(store, i)}: all groups in the order of drawing, and the number of a point's group.
function grouping(mode, stage, data) {
  const theme = isDark() ? "dark" : "light";
  const bin = (value) => Math.min(BINS - 1, (value * BINS) >> 8);
  if (mode === "clean" || mode === "combined") {
    const share = (s) => (mode === "combined" && s.stages[stage].combined) || s.stages[stage].clean; // the last stage alone is scored
    const groups = [];
    for (let b = BINS - 1; b >= 0; b--) {
      for (const clean of [true, false]) {
        groups.push(shade(`${b * 10}–${b * 10 + 10} %, ${sides(stage)[clean ? 0 : 1]}`, clean ? "circle" : "diamond", SCALES[theme][b], { clean, bin: b }));
      }
    }
    return { groups, of: (s, i) => 2 * (BINS - 1 - bin(share(s)[i])) + (s.stages[stage].flags[i] & 1 ? 0 : 1) };
  }
  if (mode === "confidence") {
    const scale = isDark() ? CIVIDIS.slice(2) : CIVIDIS.slice(0, 8).concat("#cdb95f");
    const colour = (b) => scale[Math.round((b / (BINS - 1)) * (scale.length - 1))];
    const groups = [...Array(BINS).keys()].reverse().map((b) => shade(`${b * 10}–${b * 10 + 10} %`, "circle", colour(b), { bin: b }));
    return { groups, of: (s, i) => BINS - 1 - bin(s.stages[stage].confidence[i]) };
  }
  const [blue, orange] = HUES[theme];
  const grey = isDark() ? "#7d8a95" : "#9aa5ae";
  if (mode === "disagree") {
    const groups = [shade("the models agree", "circle", blue), shade("they disagree", "diamond", orange)];
    return { groups, of: (s, i) => (s.stages[stage].flags[i] & 2 ? 1 : 0) };
  }
  if (mode === "right") {
    const groups = [shade("not known", "x", grey), shade("right", "circle", blue), shade("wrong", "diamond", orange)];
    return { groups, of: (s, i) => (s.truth[i] === NO_CLASS ? 0 : s.truth[i] === s.stages[stage].label[i] ? 1 : 2) };
  }
  const hues = HUES[theme];
  const groups = [shade(mode === "truth" ? "other or not known" : "other classes", "x", grey)];
  const place = new Map();
  data.largest.forEach((label, rank) => {
    place.set(label, groups.length);
    groups.push(shade(data.names[label], SHAPES[Math.floor(rank / hues.length) % SHAPES.length], hues[rank % hues.length]));
  });
  const labels = (s) => (mode === "truth" ? s.truth : s.stages[stage].label);
  return { groups, of: (s, i) => place.get(labels(s)[i]) || 0 };
}

// The groups as list items; a scale is one item with its steps side by side.
function legend(mode, stage, groups, used) {
  const item = (glyph, colour, text) => {
    const li = document.createElement("li");
    const mark = Object.assign(document.createElement("span"), { textContent: glyph });
    mark.style.color = colour;
    mark.setAttribute("aria-hidden", "true");
    li.append(mark, ` ${text}`);
    return li;
  };
  if (!["clean", "combined", "confidence"].includes(mode)) {
    const shown = groups.filter((_, g) => used[g]);
    const rest = shown[0] === groups[0] && (mode === "label" || mode === "truth") ? shown.splice(0, 1) : [];
    const order = mode === "label" || mode === "truth" ? shown.concat(rest) : shown.reverse();
    return order.map((g) => item(GLYPHS[g.symbol], g.colour, g.name));
  }
  const scale = document.createElement("li");
  scale.className = "map-scale";
  const steps = groups.filter((g) => g.clean !== false).sort((a, b) => a.bin - b.bin);
  scale.append("0 % ", ...steps.map((g) => {
    const step = document.createElement("span");
    step.style.background = g.colour;
    return step;
  }), ` 100 % ${mode === "confidence" || !judged(stage) ? "confidence" : "clean"}`);
  if (mode === "confidence") return [scale];
  // Not a computed colour: while the theme changes, that one is on its way from the other.
  return [scale, ...sides(stage).map((side, i) => item("●◆"[i], "currentColor", `${side} label`))];
}
