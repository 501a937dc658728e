// The sampling filters, in the order and with the meaning of charrnn/sampling/filters.py; and what draws a character.

// Makes log-probabilities of logits, or of log-probabilities of which a filter has ruled some out
function logSoftmax(logp) {
  const most = logp[likeliest(logp)];
  let total = 0;
  for (let v = 0; v < logp.length; v++) total += Math.exp(logp[v] - most);
  const norm = most + Math.log(total);
  for (let v = 0; v < logp.length; v++) logp[v] -= norm;
  return logp;
}

function likeliest(logp) {
  let best = 0;
  for (let v = 1; v < logp.length; v++) if (logp[v] > logp[best]) best = v;
  return best;
}

// The characters, likeliest first; of equally likely ones, those that come first in the vocabulary
const byProbability = (logp) => Array.from(logp.keys()).sort((v, w) => (logp[w] > logp[v]) - (logp[w] < logp[v]));

function keep(logp, isKept) {
  for (let v = 0; v < logp.length; v++) if (!isKept(v)) logp[v] = -Infinity;
  return logSoftmax(logp);
}

const FILTERS = {
  temperature(logp, temp) {
    const best = likeliest(logp);
    if (temp === 0) return keep(logp, (v) => v === best);
    const most = logp[best];
    for (let v = 0; v < logp.length; v++) logp[v] = (logp[v] - most) / temp;
    return logSoftmax(logp);
  },
  topK(logp, k) {
    const kept = new Set(byProbability(logp).slice(0, k));
    return keep(logp, (v) => kept.has(v));
  },
  topP(logp, p) {
    let before = 0;
    const kept = new Set();
    for (const v of byProbability(logp)) {
      if (before >= p) break;
      kept.add(v);
      before += Math.exp(logp[v]);
    }
    return keep(logp, (v) => kept.has(v));
  },
  minP(logp, p) {
    const least = logp[likeliest(logp)] + Math.log(p);
    return keep(logp, (v) => logp[v] >= least);
  },
};

function applyFilters(logp, { temp, topK, topP, minP }) {
  if (temp !== 1) FILTERS.temperature(logp, temp);
  if (topK > 0 && topK < logp.length) FILTERS.topK(logp, topK);
  if (topP < 1) FILTERS.topP(logp, topP);
  if (minP > 0) FILTERS.minP(logp, minP);
  return logp;
}

// Random numbers from 0 to 1 from a seed: C. Doty-Humphrey's sfc32
function randomNumbers(seed) {
  let [a, b, c, counter] = [0, seed | 0, (seed / 2 ** 32) | 0, 1];
  const next = () => {
    const found = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + found) | 0;
    return found >>> 0;
  };
  for (let n = 0; n < 12; n++) next();
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

// The character whose share of the unit interval contains u
function draw(logp, u) {
  const upto = new Float64Array(logp.length);
  let [total, last] = [0, 0];
  for (let v = 0; v < logp.length; v++) {
    if (logp[v] > -Infinity) {
      total += Math.exp(logp[v]);
      last = v;
    }
    upto[v] = total;
  }
  const found = upto.findIndex((sum) => sum > u * total);
  return found < 0 ? last : found; // if u · total is rounded to the total
}
