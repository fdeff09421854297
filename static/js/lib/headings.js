// Which lines of a clinical note are section headings: written in capitals, or a short line that ends with a colon.

const LONGEST = 60;
const CAPITALS = /^[\p{Lu}\d][\p{Lu}\d\s/&,()'.-]*:?$/u;
const COLON = /^\p{Lu}[\p{L}\s\/&,()'-]*:$/u;

/** The heading that `line` is, without its colon; null when it is none. */
export function heading(line) {
  const words = line.trim();
  if (words.length < 3 || words.length > LONGEST) return null;
  const isCapitals = CAPITALS.test(words) && /\p{Lu}{3}/u.test(words);
  const isShort = COLON.test(words) && words.split(/\s+/).length <= 6;
  return isCapitals || isShort ? words.replace(/:$/, "") : null;
}
