"use strict";
// Texts of the model are put into the page as texts (textContent), and the sections that the server wrote, in which they are escaped.

const $ = (id) => document.getElementById(id);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

const make = (tag, text = "", attributes = {}) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.textContent = text;
  return made;
};

async function ask(name, given = {}) {
  const how = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given) };
  const answer = await fetch(name, how).catch(() => { throw new Error("the studio has ended: start it again, and copy what is not saved"); });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

const failed = (error) => { $("state").textContent = error.message; };

function later(ms, work) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(() => work().catch(failed), ms); };
}

// --- the text and its colours

const file = { digest: "", text: "" };
let pieces = [];

// The pieces of a new text until the server has read it: those before and after what was typed stay.
function patched(old, text) {
  const before = old.map((piece) => piece[1]).join("");
  let start = 0;
  while (start < before.length && before[start] === text[start]) start++;
  let end = 0;
  while (end < Math.min(before.length, text.length) - start && before.at(-1 - end) === text.at(-1 - end)) end++;
  const found = [];
  let at = 0;
  for (const [kind, piece] of old) {
    found.push([kind, piece.slice(0, Math.max(0, start - at))]);
    at += piece.length;
  }
  found.push(["", text.slice(start, text.length - end)]);
  at = 0;
  for (const [kind, piece] of old) {
    found.push([kind, piece.slice(Math.max(0, before.length - end - at))]);
    at += piece.length;
  }
  return found.filter((piece) => piece[1]);
}

function paint() {
  $("coloured").replaceChildren(...pieces.map(([kind, piece]) => make("span", piece, { className: kind })), "\n");
}

function number(found = []) {
  const worst = new Map();
  for (const d of found) if (d.at && worst.get(d.at[0][0]) !== "error") worst.set(d.at[0][0], d.severity);
  const count = $("text").value.split("\n").length;
  const lines = Array.from({ length: count }, (_, k) => make(worst.has(k + 1) ? "b" : "span", `${k + 1}\n`, { className: worst.get(k + 1) === "warning" ? "warned" : "" }));
  $("lines").replaceChildren(...lines);
  scrolled();
}

function scrolled() {
  const { scrollLeft, scrollTop } = $("text");
  $("coloured").style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
  $("lines").scrollTop = scrollTop;
}

const colour = later(20, async () => {
  const text = $("text").value;
  const found = await ask("colours", { text });
  if (text === $("text").value && Array.isArray(found)) { pieces = found; paint(); }
});

function changed() {
  pieces = patched(pieces, $("text").value);
  paint();
  if ($("lines").childElementCount !== $("text").value.split("\n").length) number();
  colour();
  analyse();
  tellSaved();
}

// --- the file

const tellSaved = () => { $("saved").textContent = file.locked ? "not saved: the text of a run" : $("text").value === file.text ? "" : "not saved"; };

function take(found) {
  Object.assign(file, found);
  $("conflict").hidden = true;
  $("name").textContent = found.name.split(/[\\/]/).at(-1);
  $("name").title = found.name;
  document.title = `${$("name").textContent} - energydsl studio`;
  $("save").disabled = Boolean(found.locked);
}

async function save() {
  const text = $("text").value;
  const found = await ask("save", { text, digest: file.digest });
  if (found.error) { $("saved").textContent = found.error; return; }
  if (found.changed) { theirs = found; $("conflict").hidden = false; return; }
  take(found);
  tellSaved();
  if ($("text").value === found.text) $("saved").textContent = "saved";
}

let theirs = null;
const reload = (found) => { take(found); $("text").value = found.text; changed(); };
$("reload").onclick = () => reload(theirs);
$("overwrite").onclick = () => { file.digest = theirs.digest; $("conflict").hidden = true; save().catch(failed); };

// --- what follows

let asked = 0;
const open = { Energy: true, Graph: true, "What was derived": true };

const analyse = later(150, async () => {
  const text = $("text").value, mine = ++asked;
  const slow = setTimeout(() => { $("state").textContent = "working ..."; }, 400);
  try {
    const found = await ask("analyse", { text });
    if (mine !== asked || found.stale) return;
    $("state").textContent = found.error ?? "";
    $("following").classList.toggle("old", !found.ok);
    if (found.error) return;
    tell(found.diagnostics);
    if (found.ok) { follow(found); await begin(text, found, true); }
  } finally { clearTimeout(slow); }
});

function tell(found) {
  number(found);
  $("problems").replaceChildren(...found.map((d) => {
    const line = make("button", "", { className: `${d.severity}-of`, title: d.text });
    line.append(make("b", `${d.code}${d.at ? `, line ${d.at[0][0]}` : ""}: `), d.message);
    for (const note of d.notes) line.append(make("span", `note: ${note.message}${note.line ? ` (line ${note.line})` : ""}`, { className: "help" }));
    if (d.help) line.append(make("span", `help: ${d.help}`, { className: "help" }));
    line.onclick = () => { if (d.at) select(d.at); };
    return line;
  }));
}

// Lines and columns count characters from 1, as the server does; the page counts units of UTF-16.
function select(at) {
  const lines = $("text").value.split("\n");
  const [start, end] = at.map(([line, column]) => lines.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0) + [...lines[line - 1]].slice(0, column - 1).join("").length);
  $("text").focus();
  $("text").setSelectionRange(start, Math.max(start, end));
  const height = $("text").scrollHeight / lines.length;
  $("text").scrollTop = (at[0][0] - 6) * height;
}

function follow(found) {
  $("following").replaceChildren(...found.sections.map((section) => {
    const part = make("details", "", { open: open[section.title] ?? false });
    const inside = make("div");
    inside.innerHTML = section.html;
    part.append(make("summary", section.title), inside);
    part.ontoggle = () => { open[section.title] = part.open; };
    return part;
  }));
  keep($("layer"), found.layers);
  slide(found);
}

// The layer that was chosen, where it is still there; else the first visible one.
function keep(list, layers) {
  const shown = layers.find((l) => l.name === list.value) ?? layers.find((l) => l.role === "visible") ?? layers[0];
  list.replaceChildren(...layers.map((l) => make("option", l.name, { value: l.name })));
  list.value = shown.name;
}

// --- sliders

const BETA = { name: "beta", value: 1, low: 0, high: 3, step: 0.01 };
let sliders = [];

function slide(found) {
  const wanted = [["beta", BETA], ...found.consts.map((s) => ["consts", s]), ...found.weights.map((s) => ["weights", s])];
  sliders = wanted.map(([kind, s]) => {
    const before = sliders.find((old) => old.kind === kind && old.name === s.name && old.value === s.value);
    return { ...s, kind, now: before ? before.now : s.value };
  });
  $("sliders").replaceChildren(...sliders.map((s) => {
    const label = s.kind === "weights" ? `weight of ${s.name}` : s.name;
    const line = make("label", "", { className: "slider", title: label });
    const shared = { min: s.low, max: s.high, step: s.step, value: s.now, ariaLabel: label };
    const range = make("input", "", { type: "range", ...shared });
    const exact = make("input", "", { type: "number", value: s.now, step: "any", ariaLabel: `${label}, exactly` });
    range.oninput = () => { s.now = range.valueAsNumber; exact.value = Number(s.now.toPrecision(4)); };
    exact.oninput = () => { if (Number.isFinite(exact.valueAsNumber)) range.value = s.now = exact.valueAsNumber; };
    line.append(make("span", label), range, exact);
    return line;
  }));
}

function settings() {
  const of = (kind) => Object.fromEntries(sliders.filter((s) => s.kind === kind).map((s) => [s.name, s.now]));
  return { beta: of("beta").beta, consts: of("consts"), weights: of("weights") };
}

$("reset").onclick = () => {
  for (const s of sliders) s.now = s.value;
  slide({ consts: sliders.filter((s) => s.kind === "consts"), weights: sliders.filter((s) => s.kind === "weights") });
};

// --- the sampler

const walk = { text: null, found: null, number: 0, ready: false, running: true, seed: 0, note: "", energies: [] };

async function begin(text, found, keepStates) {
  if (keepStates && text === walk.text && walk.ready) return;
  Object.assign(walk, { text, found, ready: false });
  // A random number, so that of two pages of one file only the last has the sampler.
  const mine = walk.number = Math.floor(Math.random() * 2 ** 48);
  const answer = await ask("begin", { text, number: mine, seed: walk.seed, keep: keepStates });
  if (mine !== walk.number || answer.stale) return;
  if (!keepStates) walk.energies = [];
  walk.note = answer.untrained?.length ? `as initialised, for there are no trained values of this shape: ${answer.untrained.join(", ")}` : "";
  trouble(answer.error ?? walk.note);
  walk.ready = !answer.error;
  if (walk.ready && !walk.running) await look(0);
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

async function look(sweeps) {
  const given = { number: walk.number, sweeps, layer: $("layer").value, means: Boolean($("means").value), settings: settings() };
  const found = await ask("picture", given);
  if (given.number !== walk.number) return;
  if (found.gone) { walk.ready = false; run(false); trouble("another page has taken the sampler, or it was given up: Restart begins it anew"); return; }
  if (found.error) { trouble(found.error); await wait(400); return; }
  trouble(walk.note);
  draw(found);
}

async function forever() {
  for (;;) {
    const begun = performance.now();
    if (walk.ready && walk.running && !document.hidden) await look(Number($("sweeps").value)).catch((error) => { trouble(error.message); run(false); });
    await wait(Math.max(20, 120 - (performance.now() - begun)));
  }
}

function run(on) {
  walk.running = on;
  $("run").textContent = on ? "Pause" : "Start";
}

// Two values are dark and light; others go from blue to yellow, alike in lightness for all eyes (viridis).
const STOPS = { two: [[38, 52, 84], [244, 239, 222]], many: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]] };

function shade(stops, part) {
  const at = part * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((c, k) => c + (at - low) * (stops[low + 1][k] - c));
}

function draw(found) {
  const stops = STOPS[found.two ? "two" : "many"], canvas = $("picture");
  const levels = Uint8Array.from(atob(found.levels), (c) => c.charCodeAt(0));
  const image = new ImageData(found.width, found.height);
  const colours = Array.from({ length: 256 }, (_, level) => (level ? [...shade(stops, (level - 1) / 254), 255] : [0, 0, 0, 0]));
  levels.forEach((level, k) => image.data.set(colours[level], 4 * k));
  Object.assign(canvas, { width: found.width, height: found.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  const most = Math.min($("frame").clientWidth / found.width, $("frame").clientHeight / found.height);
  const by = most > 1 ? Math.floor(most) : most;
  Object.assign(canvas.style, { width: `${found.width * by}px`, height: `${found.height * by}px` });
  legend(stops, found);
  $("counted").textContent = `${found.sweeps} sweeps`;
  if (found.energy === null) return;
  $("energy").textContent = found.energy.toPrecision(5);
  walk.energies = [...walk.energies, found.energy].slice(-240);
  const low = Math.min(...walk.energies), span = Math.max(...walk.energies) - low || 1;
  $("curve").setAttribute("points", walk.energies.map((e, k) => `${k},${(52 - 48 * (e - low) / span).toFixed(1)}`).join(" "));
}

function legend(stops, found) {
  const key = JSON.stringify([stops, found.low, found.high]);
  if (legend.key === key) return;
  legend.key = key;
  const bar = make("canvas", "", { width: 64, height: 1 });
  const context = bar.getContext("2d");
  for (let k = 0; k < 64; k++) { context.fillStyle = `rgb(${shade(stops, k / 63).map(Math.round)})`; context.fillRect(k, 0, 1, 1); }
  $("scale").replaceChildren(make("span", found.low.toPrecision(3)), bar, make("span", found.high.toPrecision(3)));
}

$("run").onclick = () => run(!walk.running);
$("restart").onclick = () => { if (walk.found) { walk.seed++; run(true); begin(walk.text, walk.found, false).catch((error) => trouble(error.message)); } };
for (const id of ["layer", "means"]) $(id).onchange = () => { if (walk.ready && !walk.running) look(0).catch(failed); };

// --- the page

$("text").oninput = changed;
$("text").onscroll = scrolled;
$("save").onclick = () => save().catch(failed);
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); if (!file.locked) save().catch(failed); }
});
addEventListener("beforeunload", (event) => { if (!file.locked && $("text").value !== file.text) event.preventDefault(); });
addEventListener("focus", async () => {
  const found = await ask("file").catch(() => null);
  if (!found || found.error || found.digest === file.digest) return;
  if ($("text").value === file.text) reload(found);
  else { theirs = found; $("conflict").hidden = false; }
});
ask("file").then(reload).then(() => $("text").setSelectionRange(0, 0)).catch(failed);
run(true);
forever();
