// Draws the charts, and lets the reader pick variants, choose a strength and sort tables. Nothing is fetched.
(() => {
  "use strict";
  const { variants, figures } = JSON.parse(document.getElementById("payload").textContent);
  const tip = document.getElementById("tip");
  const hidden = new Set();
  const chosen = figures.map((figure) => figure.picked);
  const views = [];

  // Charts

  // What tooltips say of a number; Vega's own formatter says 0 of nothing
  function said(value, format) {
    return Number.isFinite(value) ? this.context.dataflow.locale().format(format ?? "")(value) : "missing";
  }

  const draw = async (holder) => {
    const [figure, chart] = holder.dataset.chart.split(".").map(Number);
    const { view } = await vegaEmbed(holder, figures[figure].charts[chart], {
      renderer: "svg",
      actions: false,
      defaultStyle: false,
      logLevel: 1, // errors: a chart from which every variant is hidden is none
      tooltip: (_, event, __, value) => say(event, value),
      expressionFunctions: { said },
    });
    if (hidden.size) view.signal("hidden", [...hidden]);
    if (chosen[figure] !== figures[figure].picked) view.signal("at", chosen[figure]);
    await view.runAsync();
    view.addEventListener("pointerover", (_, item) => focus((item && item.datum && item.datum.variant) || ""));
    view.addEventListener("pointerout", () => focus(""));
    holder.style.minHeight = "";
    views.push({ figure, chart, holder, view });
    list(figure);
  };

  const signal = async (name, value, only) => {
    const asked = views.filter(({ figure }) => only === undefined || figure === only);
    await Promise.all(asked.map(({ view }) => view.signal(name, value).runAsync()));
    if (name !== "focus") for (const figure of new Set(asked.map(({ figure }) => figure))) list(figure);
  };

  let pointed = "";
  const focus = (variant) => {
    if (variant === pointed) return;
    pointed = variant;
    requestAnimationFrame(() => pointed === variant && signal("focus", hidden.has(variant) ? "" : variant));
  };

  // Tooltip: text only, whatever names hold

  const say = (event, value) => {
    tip.hidden = value == null || value === "";
    if (tip.hidden) return;
    tip.replaceChildren(
      ...Object.entries(value).filter(([, text]) => text !== "" && text != null).map(([key, text], place) => {
        const line = document.createElement(place ? "div" : "b");
        if (place) line.append(Object.assign(document.createElement("span"), { textContent: key }));
        line.append(String(text));
        return line;
      }),
    );
    const { innerWidth: width, innerHeight: height } = window;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 16 + box.width > width ? event.clientX - box.width - 16 : event.clientX + 16;
    const top = event.clientY + 16 + box.height > height ? event.clientY - box.height - 16 : event.clientY + 16;
    tip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
  };

  // What hover says of each point that is shown, as tables for whoever does not point

  const opened = (figure) => document.querySelector(`details[data-numbers="${figure}"][open]`);
  const points = (item, found = []) => {
    if (item.tooltip && typeof item.tooltip === "object") found.push(item.tooltip);
    for (const part of item.items ?? []) points(part, found);
    return found;
  };

  const element = (name, parts, more = {}) => {
    const made = Object.assign(document.createElement(name), more);
    made.append(...parts);
    return made;
  };

  // What the marks of a chart say, by what they say it of
  const readings = ({ holder, view }) => {
    const alike = new Map();
    for (const point of points(view.scenegraph().root)) {
      const heads = Object.keys(point).join("\n");
      if (!alike.has(heads)) alike.set(heads, new Map());
      alike.get(heads).set(JSON.stringify(point), Object.values(point)); // a point with two marks is one
    }
    const title = holder.parentElement.querySelector("h4")?.textContent ?? "";
    return [...alike].map(([heads, found]) => ({ title, heads: heads.split("\n"), rows: [...found.values()] }));
  };

  const table = (title, heads, rows) => {
    const side = heads.map((_, place) => (rows.every((texts) => /^[\u2212-]?\d|^missing$/.test(texts[place])) ? "n" : "t"));
    const lead = Math.max(0, side.indexOf("t"));
    const cell = (text, place) =>
      place === lead ? element("th", [text], { scope: "row" }) : element("td", [text], { className: text === "missing" ? `${side[place]} missing` : side[place] });
    const head = element("tr", heads.map((text, place) => element("th", [text], { scope: "col", className: side[place] })));
    const body = rows.map((texts) => element("tr", texts.map((text, place) => cell(String(text), place))));
    const grid = element("table", [element("caption", [title]), element("thead", [head]), element("tbody", body)]);
    const holder = element("div", [grid], { className: "scroll", tabIndex: 0, role: "region" });
    holder.setAttribute("aria-label", title || "The numbers");
    return holder;
  };

  // Charts of the same points share a table
  const list = (figure) => {
    const details = opened(figure);
    if (!details) return;
    const found = new Map();
    const charts = views.filter((each) => each.figure === figure).sort((a, b) => a.chart - b.chart);
    for (const { title, heads, rows } of charts.flatMap(readings)) {
      const key = JSON.stringify([heads, rows]);
      found.set(key, { heads, rows, titles: [...(found.get(key)?.titles ?? []), title] });
    }
    const tables = [...found.values()].map(({ titles, heads, rows }) => table(titles.filter(Boolean).join("; "), heads, rows));
    details.replaceChildren(details.firstElementChild, ...tables);
  };
  for (const details of document.querySelectorAll("[data-numbers]")) {
    details.addEventListener("toggle", () => list(Number(details.dataset.numbers)));
  }

  // Which variants are shown, in charts and tables alike

  const show = () => {
    for (const chip of document.querySelectorAll("[data-pick]")) {
      chip.setAttribute("aria-pressed", String(!hidden.has(variants[chip.dataset.pick])));
    }
    for (const row of document.querySelectorAll("tr[data-variant], .shots[data-variant]")) reveal(row);
    document.getElementById("shown").textContent = `${variants.length - hidden.size} of ${variants.length} variants shown`;
    signal("hidden", [...hidden]);
  };

  // A row shows when its variant is picked and its table's filter finds all of its words
  const reveal = (row) => {
    const filter = row.closest(".grid")?.querySelector(".filter");
    const words = filter ? filter.value.toLowerCase().split(/\s+/) : [];
    const text = words.length ? row.textContent.toLowerCase() : "";
    const shown = (row.dataset.variant ?? "").trim().split(" ").some((place) => !hidden.has(variants[place]));
    const folded = row.classList.contains("training") && !row.closest(".grid").querySelector(".trainings input").checked;
    row.hidden = !shown || folded || !words.every((word) => text.includes(word));
  };
  for (const filter of document.querySelectorAll(".filter")) {
    filter.addEventListener("input", () => {
      for (const row of filter.closest(".grid").querySelector("tbody").rows) reveal(row);
    });
  }

  for (const box of document.querySelectorAll(".trainings input")) {
    box.checked = false; // browsers remember it over a reload
    box.addEventListener("change", () => {
      for (const row of box.closest(".grid").querySelectorAll("tr.training")) reveal(row);
    });
  }

  for (const chip of document.querySelectorAll("[data-pick]")) {
    const variant = variants[chip.dataset.pick];
    chip.addEventListener("click", () => {
      if (!hidden.delete(variant)) hidden.add(variant);
      focus("");
      show();
    });
    for (const event of ["pointerenter", "focus"]) chip.addEventListener(event, () => focus(hidden.has(variant) ? "" : variant));
    for (const event of ["pointerleave", "blur"]) chip.addEventListener(event, () => focus(""));
  }
  for (const button of document.querySelectorAll("[data-all]")) {
    button.addEventListener("click", () => {
      hidden.clear();
      if (button.dataset.all === "hide") for (const variant of variants) hidden.add(variant);
      show();
    });
  }
  for (const input of document.querySelectorAll("input[data-figure]")) {
    const figure = Number(input.dataset.figure);
    input.addEventListener("change", () => signal("at", (chosen[figure] = input.value), figure));
  }

  // Tables: what is missing stays last either way

  const sorted = (head) => {
    const table = head.closest("table");
    const place = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
    const numeric = head.classList.contains("n");
    const rows = [...table.tBodies[0].rows];
    const value = (row) => {
      const text = row.cells[place].dataset.sort;
      return text === undefined ? null : isFinite(Number(text)) || text === "inf" ? (text === "inf" ? Infinity : Number(text)) : text;
    };
    const compare = (a, b) => {
      if (a === null || b === null) return (a === null) - (b === null);
      if (typeof a === "number" && typeof b === "number") return a === b ? 0 : (a < b ? -1 : 1) * down;
      return String(a).localeCompare(String(b)) * (numeric ? down : -down);
    };
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
    table.tBodies[0].append(...rows.sort((a, b) => compare(value(a), value(b))));
  };
  for (const button of document.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sorted(button.closest("th")));
  }

  // Paper can be neither opened nor scrolled: what is folded is opened, and wide tables shrink to a page's width

  const WIDTH = 680; // between the margins of A4 and of Letter, whichever is narrower, in CSS pixels
  const folds = () => [...document.querySelectorAll("details:not([data-numbers])")].filter((each) => !each.open);
  let folded = [];
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    folded = [...folded, ...folds()]; // an event may come twice
    for (const each of folded) each.open = true;
    for (const table of document.querySelectorAll(".scroll > table")) {
      table.style.width = "min-content";
      const least = table.getBoundingClientRect().width;
      table.style.width = "";
      if (least > WIDTH) table.style.zoom = WIDTH / least;
    }
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    for (const each of folded) each.open = false;
    folded = [];
    for (const table of document.querySelectorAll(".scroll > table")) table.style.zoom = "";
  });

  // Charts that are near are drawn first, the others while nothing else is asked for

  const waiting = new Set(document.querySelectorAll("[data-chart]"));
  let left = waiting.size;
  const done = () => (document.documentElement.dataset.drawn = views.length);
  const place = async (holder) => {
    if (!waiting.delete(holder)) return;
    near.unobserve(holder);
    try {
      await draw(holder);
    } catch (error) {
      holder.textContent = `This chart could not be drawn (${error.message}); its SVG file shows it.`;
    }
    if (--left === 0) done();
  };
  const near = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => place(entry.target)),
    { rootMargin: "400px" },
  );
  const idle = window.requestIdleCallback ?? ((then) => setTimeout(then, 30));
  const rest = async () => {
    const [next] = waiting;
    if (next) await place(next);
    if (waiting.size) idle(rest);
  };
  waiting.forEach((holder) => near.observe(holder));
  if (left) idle(rest);
  else done();
})();
