// The worker: writes with the network, in pieces, and listens in between. A message `does` one of these:
//
//   load      { config, weights }                       → { ready }
//   settings  { temp, topK, topP, minP, stop, speed }     from the next character on
//   begin     { seed }                                    a new text; of lines, the first of several
//   write     { prime, label, count }                     so many characters, or lines → pieces, then { ended, likeliest }
//   pick      { id }                                      the character that comes next → its piece, { likeliest }
//   stop      {}                                          ends what `write` does
//
// A piece is { text, bits }, with the surprisal of each character; a prime has none. `unknown` are the characters of a
// prime that the model has never seen, which are left out.

const SHOWN = 5; // the likeliest characters, of which the reader may pick one
const SLICE = 8; // milliseconds in which it writes before it listens
const TAB = "\t";

let config, network, settings, text, clock;
let outbox = { text: "", bits: [] };
let running = 0; // the number of the last writing; another one ends it

const now = () => performance.now();
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const [turns, turned] = [new MessageChannel(), { resolve: null }];
turns.port1.onmessage = () => turned.resolve();
// Lets messages in, without the four milliseconds that a timer takes
const turn = () => new Promise((resolve) => ((turned.resolve = resolve), turns.port2.postMessage(0)));

const actions = {
  async load({ config: given, weights }) {
    config = given;
    const packed = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    network = networkOf(config, new Uint8Array(await new Response(stream).arrayBuffer()));
    postMessage({ ready: true });
  },
  settings(given) {
    settings = given;
    clock = { start: now(), drawn: 0 };
  },
  begin({ seed }) {
    text = { seed, prime: "", label: null };
    start();
  },
  async write({ prime, label, count }) {
    const mine = ++running;
    if (text.isFresh) start(prime, label);
    clock = { start: now(), drawn: 0 };
    let [left, ended] = [count, ""];
    while (left > 0 && running === mine && ended !== "stop") {
      for (const until = now() + SLICE; left > 0 && isDue() && now() < until && ended !== "stop"; ) {
        ended = drawCharacter();
        if (config.unit === null || ended) left--;
      }
      if (left <= 0 && config.unit === null) release();
      flush();
      await (settings.speed ? sleep(Math.min(50, 1000 / settings.speed)) : turn());
    }
    postMessage({ ended: left <= 0 ? "length" : ended === "stop" ? "stop" : "reader", likeliest: likeliestNow() });
  },
  pick({ id }) {
    if (text.isFresh) start(text.prime, text.label);
    take(id);
    release();
    flush();
    postMessage({ likeliest: likeliestNow() });
  },
  stop() {
    running++;
  },
};

onmessage = async ({ data: { does, ...values } }) => {
  try {
    await actions[does](values);
  } catch (error) {
    postMessage({ failed: error.message });
  }
};

// Whether the next character may come already, at the speed of typing
function isDue() {
  return !settings.speed || clock.drawn <= ((now() - clock.start) / 1000) * settings.speed;
}

// Begins a text, or the next line, as if another had just ended
function start(prime = text.prime, label = text.label) {
  const read = encode(prime);
  const source = label === null ? [] : encode(label + TAB).ids;
  network.reset();
  let logits;
  for (const id of [config.start, ...source, ...read.ids]) logits = network.step(id);
  const random = randomNumbers(text.seed);
  Object.assign(text, { prime, label, random, logits, isFresh: true, length: 0, held: [], partial: 0 });
  text.decoder = config.characters === null ? new TextDecoder() : null;
  text.echo = config.characters === null ? prime : read.ids.map((id) => config.characters[id]).join("");
  text.unknown = read.unknown;
}

// The ids of a text, and its characters that the model has never seen
function encode(string) {
  if (config.characters === null) return { ids: [...new TextEncoder().encode(string)], unknown: [] };
  const characters = [...(config.normalization ? string.normalize(config.normalization) : string)];
  const ids = new Map(config.characters.map((character, id) => [character, id]));
  const known = characters.filter((character) => ids.has(character));
  const unknown = new Set(characters.filter((character) => !ids.has(character)));
  return { ids: known.map((character) => ids.get(character)), unknown: [...unknown] };
}

const logp = () => logSoftmax(new Float64Array(text.logits));

function likeliestNow() {
  const own = logp();
  return byProbability(own).slice(0, SHOWN).map((id) => ({ id, p: Math.exp(own[id]) }));
}

function drawCharacter() {
  const own = logp();
  clock.drawn++;
  return take(draw(applyFilters(own.slice(), settings), text.random()), own);
}

// Adds a character to the text. Returns what ends with it: "line", "stop", or nothing
function take(id, own = logp()) {
  if (text.isFresh && (text.echo || text.unknown.length)) {
    flush();
    postMessage({ text: text.echo, bits: null, unknown: text.unknown });
  }
  text.isFresh = false;
  text.partial -= own[id] / Math.LN2;
  if (id === config.end) return endLine();
  text.logits = network.step(id);
  text.length++;
  // Of a character of several bytes, the last has the surprisal of all
  const character = text.decoder ? text.decoder.decode(Uint8Array.of(id), { stream: true }) : config.characters[id];
  if (character) {
    text.held.push([character, text.partial]);
    text.partial = 0;
  }
  if (stopsHere()) return config.unit === null ? "stop" : endLine();
  if (config.unit !== null && text.length >= config.lineLength) return endLine();
  return "";
}

// Lets go of what can no longer begin the stop text. Whether that is complete, which drops it
function stopsHere() {
  const { stop } = settings;
  let tail = text.held.map(([character]) => character).join("");
  if (stop && tail.endsWith(stop)) {
    for (let n = 0; n < stop.length; ) n += text.held.pop()[0].length;
    release();
    return true;
  }
  while (tail && !(stop && stop.startsWith(tail))) {
    tail = tail.slice(text.held[0][0].length);
    release(1);
  }
  return false;
}

function endLine() {
  release();
  outbox.text += config.separator;
  outbox.bits.push(text.partial, ...Array(config.separator.length - 1).fill(0));
  text.seed++;
  start();
  return "line";
}

// Puts the first characters that are held back into the next piece; without a number, all of them
function release(count = text.held.length) {
  for (const [character, bits] of text.held.splice(0, count)) {
    outbox.text += character;
    outbox.bits.push(bits, ...Array([...character].length - 1).fill(0));
  }
}

function flush() {
  if (outbox.text) postMessage({ ...outbox, unknown: [] });
  outbox = { text: "", bits: [] };
}
