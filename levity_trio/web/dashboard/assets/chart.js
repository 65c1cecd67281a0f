// Charts: the value under the finger, the pointer, or (with the arrow keys) of the next point.

{
  const HERE = document.documentElement.lang.replace(/^en$/, "en-GB");
  const WHOLE = new Intl.DateTimeFormat(HERE, {
    timeZone: document.documentElement.dataset.zone, weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });

  function chartOf(event) {
    return event.target instanceof Element ? event.target.closest("svg[data-points]") : null;
  }

  function nearest(points, at) {
    let low = 0;
    let high = points.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < at) low = middle + 1;
      else high = middle;
    }
    return low > 0 && at - points[low - 1][0] < points[low][0] - at ? low - 1 : low;
  }

  function showPoint(chart, place) {
    const { begin, seconds, unit, digits } = chart.dataset;
    const points = JSON.parse(chart.dataset.points);
    if (!points.length) return;
    const index = Math.max(0, Math.min(points.length - 1, typeof place === "function" ? place(points) : place));
    const [at, value] = points[index];
    const cross = chart.querySelector(".cross");
    cross.setAttribute("x1", `${(at / seconds) * 100}%`);
    cross.setAttribute("x2", `${(at / seconds) * 100}%`);
    cross.classList.add("on");
    chart.dataset.place = index;
    const output = chart.closest("figure")?.querySelector("output");
    if (!output) return;
    const number = value.toLocaleString(HERE, { minimumFractionDigits: +digits, maximumFractionDigits: +digits });
    output.textContent = `${WHOLE.format(new Date((+begin + at) * 1000))}: ${HERE === "en-GB" ? number.replaceAll(",", "\u202f") : number} ${unit}`;
  }

  function follow(event) {
    const chart = chartOf(event);
    if (!chart) return;
    const { left, width } = chart.getBoundingClientRect();
    const at = ((event.clientX - left) / width) * chart.dataset.seconds;
    showPoint(chart, (points) => nearest(points, at));
  }

  const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };

  document.addEventListener("pointermove", follow);
  document.addEventListener("pointerdown", follow);
  document.addEventListener("keydown", (event) => {
    const chart = chartOf(event);
    if (!chart || !(event.key in STEPS)) return;
    event.preventDefault();
    const step = STEPS[event.key];
    const place = chart.dataset.place === undefined ? (step < 0 ? Infinity : 0) : +chart.dataset.place + step;
    showPoint(chart, place);
  });
}
