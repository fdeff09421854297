// A <time datetime> that keeps itself right: data-format="ago" says how long ago, "clock" counts m:ss since then.
import { clock, relative } from "../lib/format.js";

export function mount(element) {
  const isClock = element.dataset.format !== "ago";
  const since = Date.parse(element.dateTime ?? element.dataset.since);
  const show = () => {
    const seconds = (Date.now() - since) / 1000;
    element.textContent = isClock ? clock(seconds) : relative(seconds);
  };
  show();
  const timer = setInterval(show, isClock ? 1000 : 20000);
  return () => clearInterval(timer);
}
