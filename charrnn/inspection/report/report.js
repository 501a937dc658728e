"use strict";

// Colours the texts by the unit that is chosen and by surprise, and tells what is known of the character pointed at.

const subjects = JSON.parse(document.getElementById("data").textContent);

// Shades: how strong a colour is from step 0 to the last, on whatever the page is written on
const shades = document.createElement("style");
const steps = subjects[0].steps;
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

// The steps of all units, one row of Int8 each, as `_units` packed them
async function unpack(subject) {
  const packed = Uint8Array.from(atob(subject.packed), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Int8Array(await new Response(stream).arrayBuffer());
  const length = rows.length / subject.units.length;
  for (let n = 0; n < rows.length; n++) {
    if (n % length) rows[n] += rows[n - 1];
  }
  return (unit) => rows.subarray(unit * length, (unit + 1) * length);
}

// Calls `tell` with the number of a character when it is pointed at, or walked to with the keys; -1: none is
function walk(reading, tell) {
  const characters = reading.children;
  let here = -1;
  function go(to) {
    if (to === here) return;
    characters[here]?.classList.remove("here");
    here = to;
    characters[here]?.classList.add("here");
    tell(here);
  }
  const numbers = new Map(Array.from(characters, (character, n) => [character, n]));
  // When the text scrolls below it, a pointer that rests points at nothing new
  let pointer = "";
  reading.addEventListener("pointerover", (event) => {
    const where = `${event.screenX} ${event.screenY}`;
    if (where !== pointer && numbers.has(event.target)) go(numbers.get(event.target));
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
  return () => tell(here);
}

function name(character) {
  return { " ": "␣", "\n": "⏎", "\t": "⇥" }[character] ?? character;
}

function say(told, ...parts) {
  told.replaceChildren(
    ...parts.map((part) => {
      if (typeof part === "string") return part;
      const bold = document.createElement("b");
      bold.textContent = part[0];
      return bold;
    }),
  );
}

for (const element of document.querySelectorAll("#neurons .subject")) {
  const subject = subjects[element.dataset.subject];
  const reading = element.querySelector(".reading");
  const chooser = element.querySelector(".chooser");
  const told = element.querySelector(".told");
  unpack(subject).then((row) => {
    let stands = row(0);
    const again = walk(reading, (here) => {
      if (here < 0) return;
      const unknown = subject.expected[here] === null;
      const stand = (stands[here] / steps).toFixed(2).replace("-", "−");
      say(told, [name(reading.children[here].textContent)], unknown ? " was never seen" : `  the unit stands at ${stand}`);
    });
    function choose() {
      const unit = Number(chooser.value);
      stands = row(unit);
      Array.from(reading.children).forEach((character, n) => {
        const here = character.classList.contains("here");
        const unknown = subject.expected[n] === null;
        character.className = (unknown ? "unknown" : `u${stands[n] + steps}`) + (here ? " here" : "");
      });
      const label = subject.units[unit].join(":");
      for (const button of element.querySelectorAll("button.unit")) {
        button.setAttribute("aria-pressed", String(button.dataset.unit === label));
      }
      again();
    }
    chooser.addEventListener("change", choose);
    for (const button of element.querySelectorAll("button.unit")) {
      button.addEventListener("click", () => {
        chooser.value = subject.units.findIndex((unit) => unit.join(":") === button.dataset.unit);
        choose();
      });
    }
    choose();
    element.dataset.ready = "";
  });
}

for (const element of document.querySelectorAll("#surprise .subject")) {
  const subject = subjects[element.dataset.subject];
  const reading = element.querySelector(".reading");
  const told = element.querySelector(".told");
  Array.from(reading.children).forEach((character, n) => {
    const known = subject.expected[n];
    character.className = known ? `s${Math.max(0, Math.min(12, Math.round(known[0])))}` : "unknown";
  });
  walk(reading, (here) => {
    if (here < 0) return;
    const [bits, expected] = subject.expected[here] ?? [];
    const character = name(reading.children[here].textContent);
    if (bits === undefined) {
      say(told, [character], " was never seen");
      return;
    }
    const guesses = expected.flatMap(([guess, percent]) => [[guess], ` ${percent} %   `]);
    say(told, [character], `  ${bits.toFixed(1)} bits; expected:  `, ...guesses);
  });
  element.dataset.ready = "";
}
