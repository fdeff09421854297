// Positions in text: browsers count UTF-16 units, everything that is stored counts Unicode code points.

/** Converts both ways for one text; built once in O(n), each question O(log n). */
export function offsetMap(text) {
  const pairs = [];
  for (let i = 0; i < text.length - 1; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) pairs.push(i++);
  }
  /** How many surrogate pairs start before unit `unit`. */
  const pairsBefore = (unit) => {
    let low = 0;
    let high = pairs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[middle] < unit) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    length: text.length - pairs.length,
    /** The number of code points before `unit`; a place inside a pair counts as the place before the pair. */
    toCodePoint: (unit) => unit - pairsBefore(unit),
    toUnit(point) {
      // The k-th pair is code point number pairs[k] - k; those before `point` each take one unit more.
      let low = 0;
      let high = pairs.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (pairs[middle] - middle < point) low = middle + 1;
        else high = middle;
      }
      return point + low;
    },
    /** Moves a unit out of the middle of a pair, down to its start or up to its end. */
    snap(unit, up) {
      const n = pairsBefore(unit);
      return n > 0 && pairs[n - 1] === unit - 1 ? unit + (up ? 1 : -1) : unit;
    },
  };
}

const BLANK = /\s/u;

/** The unit positions [from, to] without white space at the ends; null when nothing is left. */
export function trimmed(text, from, to) {
  while (from < to && BLANK.test(text[from])) from++;
  while (to > from && BLANK.test(text[to - 1])) to--;
  return from < to ? [from, to] : null;
}
