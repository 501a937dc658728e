"use strict";

// Colours the texts by the chosen unit and by surprisal, and shows what is known about the selected character.

const models = JSON.parse(document.getElementById("data").textContent);

// The shades: how strong a colour is at each step, over whatever the background is
const shades = document.createElement("style");
const steps = models[0].steps;
for (let k = -steps; k <= steps; k++) {
  const colour = k < 0 ? "--below" : "--above";
  const share = Math.round((Math.abs(k) / steps) * 85);
  shades.textContent += `.u${k + steps} { background: color-mix(in srgb, var(${colour}) ${share}%, transparent); }\n`;
}
for (let k = 0; k <= 12; k++) {
  const share = Math.round(Math.sqrt(k / 12) * (k ? 90 : 0));
  shades.textContent += `.s${k} { background: color-mix(in srgb, var(--warm) ${share}%, transparent); }\n`;
}
document.head.append(shades);

// The activations of all units, in steps, one Int8 row for each unit: undoes `pack_units`
async function unpack(model) {
  const packed = Uint8Array.from(atob(model.packed), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Int8Array(await new Response(stream).arrayBuffer());
  const length = rows.length / model.units.length;
  for (let n = 0; n < rows.length; n++) {
    if (n % length) rows[n] += rows[n - 1];
  }
  return (unit) => rows.subarray(unit * length, (unit + 1) * length);
}

// Calls `show` with the index of the character that the pointer or the keys select; -1: none is selected
function walk(reading, show) {
  const characters = reading.children;
  let here = -1;
  function go(to) {
    if (to === here) return;
    characters[here]?.classList.remove("here");
    here = to;
    characters[here]?.classList.add("here");
    show(here);
  }
  const indices = new Map(Array.from(characters, (character, n) => [character, n]));
  // When the text scrolls below a resting pointer, the selection stays
  let pointer = "";
  reading.addEventListener("pointerover", (event) => {
    const where = `${event.screenX} ${event.screenY}`;
    if (where !== pointer && indices.has(event.target)) go(indices.get(event.target));
    pointer = where;
  });
  reading.addEventListener("focus", () => go(Math.max(here, 0)));
  // Up and down: the nearest character of the line above or below, wherever the browser has broken lines
  function vertical(direction) {
    const from = characters[here].getBoundingClientRect();
    let best = here;
    for (let n = here + direction, line = null; n >= 0 && n < characters.length; n += direction) {
      const box = characters[n].getBoundingClientRect();
      if (Math.abs(box.top - from.top) < from.height / 2) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) > from.height / 2) break;
      const gap = (m) => Math.abs(characters[m].getBoundingClientRect().left - from.left);
      if (best === here || gap(n) < gap(best)) best = n;
    }
    return best;
  }
  reading.addEventListener("keydown", (event) => {
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = characters.length - 1;
    const moves = {
      ArrowLeft: () => Math.max(here - 1, 0),
      ArrowRight: () => Math.min(here + 1, last),
      ArrowUp: () => vertical(-1),
      ArrowDown: () => vertical(1),
      Home: () => 0,
      End: () => last,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    go(moves[event.key]());
    characters[here].scrollIntoView({ block: "nearest" });
  });
  return () => show(here);
}

function symbol(character) {
  return { " ": "␣", "\n": "⏎", "\t": "⇥" }[character] ?? character;
}

// Shows strings, and strings in an array in bold
function setStatus(status, ...parts) {
  status.replaceChildren(
    ...parts.map((part) => {
      if (typeof part === "string") return part;
      const bold = document.createElement("b");
      bold.textContent = part[0];
      return bold;
    }),
  );
}

for (const element of document.querySelectorAll("#neurons .model")) {
  const model = models[element.dataset.model];
  const reading = element.querySelector(".reading");
  const chooser = element.querySelector(".chooser");
  const status = element.querySelector(".status");
  unpack(model).then((row) => {
    let [activations, top] = [row(0), model.tops[0]];
    const showAgain = walk(reading, (here) => {
      if (here < 0) return;
      const unknown = model.expected[here] === null;
      const activation = ((activations[here] / steps) * top).toFixed(2).replace("-", "−");
      const character = symbol(reading.children[here].textContent);
      setStatus(status, [character], unknown ? "  the model has never seen it" : `  activation ${activation}`);
    });
    function choose() {
      const unit = Number(chooser.value);
      [activations, top] = [row(unit), model.tops[unit]];
      Array.from(reading.children).forEach((character, n) => {
        const here = character.classList.contains("here");
        const unknown = model.expected[n] === null;
        character.className = (unknown ? "unknown" : `u${activations[n] + steps}`) + (here ? " here" : "");
      });
      const label = model.units[unit].join(":");
      for (const button of element.querySelectorAll("button.unit")) {
        button.setAttribute("aria-pressed", String(button.dataset.unit === label));
      }
      showAgain();
    }
    chooser.addEventListener("change", choose);
    for (const button of element.querySelectorAll("button.unit")) {
      button.addEventListener("click", () => {
        chooser.value = model.units.findIndex((unit) => unit.join(":") === button.dataset.unit);
        choose();
      });
    }
    choose();
    element.dataset.ready = "";
  });
}

for (const element of document.querySelectorAll("#surprisal .model")) {
  const model = models[element.dataset.model];
  const reading = element.querySelector(".reading");
  const status = element.querySelector(".status");
  Array.from(reading.children).forEach((character, n) => {
    const known = model.expected[n];
    character.className = known ? `s${Math.max(0, Math.min(12, Math.round(known[0])))}` : "unknown";
  });
  walk(reading, (here) => {
    if (here < 0) return;
    const [bits, expected] = model.expected[here] ?? [];
    const character = symbol(reading.children[here].textContent);
    if (bits === undefined) {
      setStatus(status, [character], "  the model has never seen it");
      return;
    }
    const guesses = expected.flatMap(([guess, percent]) => [[guess], ` ${percent} %   `]);
    setStatus(status, [character], `  ${bits.toFixed(1)} bits; expected:  `, ...guesses);
  });
  element.dataset.ready = "";
}

for (const element of document.querySelectorAll("#attribution .model")) {
  const status = element.querySelector(".status");
  for (const reading of element.querySelectorAll(".reading")) {
    walk(reading, (here) => {
      if (here >= 0) setStatus(status, [symbol(reading.children[here].textContent)], `  ${reading.children[here].dataset.value}`);
    });
  }
  element.dataset.ready = "";
}
