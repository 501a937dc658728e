"use strict";

// The page around the worker: its fields, the text as it grows, and the characters to pick from.

const [$, config] = [(id) => document.getElementById(id), JSON.parse(document.getElementById("config").textContent)];
const isLines = config.unit !== null;
const SPEEDS = [5, 10, 20, 40, 80, 160, 320, 1000, 0]; // characters a second; 0: as fast as it goes
const STEPS = [1, 2, 4, 6, 9]; // the bits at which the colour changes
const TEN = 10;
const LONG_BLOCK = 4000; // characters
const MAX_DRAWN_SEED = 1_000_000; // so that it is short enough to type
const NAMES = { " ": "space", "\n": isLines ? "end of the line" : "newline", "\t": "tab" };

const worker = new Worker(URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" })));
const send = (does, values = {}) => worker.postMessage({ does, ...values });

let shown = []; // the pieces of the text: { text, bits }
let waiting = []; // those that the next frame shows
let seed, started, written;
let isWriting = false;

// What the fields say

const whole = (field, otherwise) => {
  const value = Math.floor(field.valueAsNumber);
  return Number.isNaN(value) ? otherwise : Math.min(Math.max(value, Number(field.min)), Number(field.max || Infinity));
};
const settings = () => ({
  temp: $("temp").valueAsNumber,
  topK: whole($("top-k"), 0),
  topP: $("top-p").valueAsNumber,
  minP: $("min-p").valueAsNumber,
  stop: $("stop").value.replaceAll("\\n", "\n"),
  speed: SPEEDS[$("speed").valueAsNumber],
});

function showValues() {
  for (const output of document.querySelectorAll("output")) {
    const field = $(output.htmlFor.value);
    const speed = SPEEDS[field.valueAsNumber];
    const said = speed ? `${speed.toLocaleString("en")} a second` : "as fast as it goes";
    output.value = field.id === "speed" ? said : field.valueAsNumber.toFixed(2);
    field.setAttribute("aria-valuetext", output.value);
  }
}

// The text

const JOINER = "\u200d";
const graphemeGoesOn = /^[\p{M}\u200d\ufe0f\u{1f3fb}-\u{1f3ff}]/u;
const stepOf = (bits) => STEPS.filter((least) => bits >= least).length;

// The characters in spans, of which each has those of equal colour. Marks stay with the character that they change, even
// in the span before
function coloured({ text, bits }, before) {
  const spans = [];
  let [last, step, joins] = [before, -1, before?.textContent.endsWith(JOINER)];
  [...text].forEach((character, n) => {
    const next = stepOf(bits[n]);
    if (last && (next === step || joins || graphemeGoesOn.test(character))) {
      last.textContent += character;
    } else {
      [last, step] = [document.createElement("span"), next];
      last.className = `s${step}`;
      last.textContent = character;
      spans.push(last);
    }
    joins = character === JOINER;
  });
  return spans;
}

// The nodes of a piece that comes after the others of a block, if there is one yet
function nodesOf(piece, block) {
  if (piece.bits === null) {
    const echo = document.createElement("b");
    echo.textContent = piece.text;
    return [echo];
  }
  return $("colours").checked ? coloured(piece, block?.querySelector("span:last-child")) : [piece.text];
}

// Shows a piece at the end. A block ends with a line once it is long, so that the browser lays out only the last one anew
function show({ text, bits }) {
  const box = $("text");
  const end = box.lastChild?.textContent.length > LONG_BLOCK ? text.indexOf("\n") + 1 : 0;
  const head = { text: text.slice(0, end), bits: bits && bits.slice(0, [...text.slice(0, end)].length) };
  const rest = { text: text.slice(end), bits: bits && bits.slice(head.bits?.length) };
  box.lastChild?.append(...nodesOf(head, box.lastChild));
  if (end || !box.lastChild) box.append(document.createElement("div"));
  box.lastChild.append(...nodesOf(rest, box.lastChild));
}

function showWaiting() {
  const box = $("text");
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 48;
  waiting.forEach(show);
  if (!shown.length && waiting.length) performance.mark("first character");
  shown.push(...waiting);
  waiting = [];
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

function showAgain() {
  $("text").replaceChildren();
  shown.forEach(show);
  $("legend").hidden = !$("colours").checked;
}

const wholeText = () => shown.map((piece) => piece.text).join("");
const say = (text) => ($("status").textContent = text);

// Writing

function setWriting(now) {
  isWriting = now;
  document.body.classList.toggle("writing", now);
  $("write").textContent = now ? "Stop" : isLines ? "Write ten" : "Write";
  for (const id of ["more", "copy", "save"]) $(id).disabled = now;
  $("next-label").textContent = now ? "stop, and pick what comes next" : "pick what comes next";
  if (now) $("next").replaceChildren();
}

function write() {
  setWriting(true);
  say("writing");
  [started, written] = [performance.now(), shown.length];
  const label = config.labels ? $("label").value : null;
  const count = isLines ? TEN : whole($("length"), Number($("length").defaultValue));
  const prime = config.unit === "lines" ? $("prime").value.split("\n")[0] : $("prime").value;
  send("write", { prime, label, count });
}

function writeAnew() {
  [shown, waiting] = [[], []];
  $("text").replaceChildren();
  seed = whole($("seed"), Math.floor(Math.random() * MAX_DRAWN_SEED));
  send("begin", { seed });
  write();
}

function sayWhatWasWritten(ended) {
  const bits = shown.slice(written).flatMap((piece) => piece.bits ?? []);
  const mean = bits.reduce((sum, value) => sum + value, 0) / bits.length;
  const seconds = (performance.now() - started) / 1000;
  const parts = [`seed ${seed}`];
  if (bits.length) parts.unshift(`${bits.length.toLocaleString("en")} characters, ${mean.toFixed(2)} bits each`);
  if (ended === "length" && bits.length && !settings().speed) {
    parts.push(`${Math.round(bits.length / seconds).toLocaleString("en")} characters a second`);
  }
  if (ended === "stop") parts.push("it came to the stop text");
  say(parts.join("; "));
}

function sayUnknown(unknown) {
  if (unknown.length) $("unknown").textContent = `left out, since the model has never seen it: ${unknown.join(" ")}`;
}

// The likeliest characters as buttons, with the keys 1 to 5
function offer(likeliest) {
  $("next").replaceChildren(
    ...likeliest.map(({ id, p }, n) => {
      const [button, percent] = ["button", "small"].map((tag) => document.createElement(tag));
      const character = config.characters?.[id] ?? String.fromCharCode(id);
      percent.textContent = p < 0.005 ? "< 1 %" : `${Math.round(100 * p)} %`;
      button.append(config.symbols[id], percent);
      button.style.setProperty("--share", `${100 * p}%`);
      button.title = `key ${n + 1}`;
      button.setAttribute("aria-label", `${NAMES[character] ?? config.symbols[id]}, ${percent.textContent}`);
      button.addEventListener("click", () => send("pick", { id }));
      return button;
    }),
  );
}

worker.onmessage = ({ data }) => {
  if (data.failed) say(`This browser can't run it: ${data.failed}`);
  if (data.ready) {
    $("write").disabled = false;
    send("settings", settings());
    writeAnew();
  }
  if ("text" in data) {
    if (!waiting.length) requestAnimationFrame(showWaiting);
    waiting.push(data);
    sayUnknown(data.unknown);
  }
  if (data.ended) {
    showWaiting();
    setWriting(false);
    sayWhatWasWritten(data.ended);
  }
  if (data.likeliest) offer(data.likeliest);
};
worker.onerror = (event) => say(`This browser can't run it: ${event.message}`);

// What the reader does

for (const field of document.querySelectorAll("aside input")) {
  field.addEventListener("input", () => {
    showValues();
    send("settings", settings());
  });
}
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (isWriting) send("stop");
  else writeAnew();
});
$("prime").addEventListener("input", () => ($("unknown").textContent = ""));
$("prime").addEventListener("keydown", (event) => {
  const submits = event.key === "Enter" && (isLines ? !event.isComposing : event.ctrlKey || event.metaKey);
  if (!submits) return;
  event.preventDefault();
  $("ask").requestSubmit();
});
$("more").addEventListener("click", write);
$("colours").addEventListener("change", showAgain);
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(wholeText());
  } catch {
    getSelection().selectAllChildren($("text"));
    document.execCommand("copy");
  }
  say("copied");
});
$("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([wholeText()], { type: "text/plain" }));
  link.download = `${document.title}.txt`;
  link.click();
  URL.revokeObjectURL(link.href);
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, textarea, select")) return;
  if (event.key === "Escape" && isWriting) send("stop");
  if (!isWriting) $("next").children[Number(event.key) - 1]?.click();
});

// The page of this model

if (matchMedia("(prefers-reduced-motion: reduce)").matches) $("speed").value = SPEEDS.indexOf(0);
$("length-field").hidden = isLines;
$("more").textContent = isLines ? "Ten more" : "Go on";
if (config.labels) {
  $("label-field").hidden = false;
  $("label").append(...config.labels.map((name) => new Option(name, name)));
}
STEPS.concat(Infinity).forEach((end, n) => {
  const box = document.createElement("span");
  box.className = `s${n}`;
  box.textContent = end === Infinity ? ` ${STEPS.at(-1)}+ ` : ` ${n ? STEPS[n - 1] : 0}–${end} `;
  $("legend").append(box);
});
setWriting(false);
showValues();
$("write").disabled = true;
send("load", { config, weights: $("weights").textContent });
