// From the file system a page cannot fetch another for the extract beside a search
// result; the search works without it.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// A formula wider than its column is set smaller, down to a size that can be read; one
// in a line of text scrolls in its own box.
const SMALLEST = 0.7;
const fitFormulas = () => {
  for (const formula of document.querySelectorAll("mjx-container")) {
    formula.style.fontSize = "";
    if (formula.hasAttribute("display")) {
      const share = formula.clientWidth / formula.scrollWidth;
      if (share < 1) formula.style.fontSize = `${100 * Math.max(SMALLEST, 0.98 * share)}%`;
    } else {
      const column = formula.closest("p, li, dd, td, figcaption, div");
      if (formula.offsetWidth > column.clientWidth) formula.classList.add("wide");
    }
  }
};
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  fitFormulas();
  addEventListener("resize", fitFormulas);
});

// One switch for all the code of the book, which remembers.
document.addEventListener("DOMContentLoaded", () => {
  const folds = document.querySelectorAll("details.code");
  const title = document.querySelector(".bd-article h1");
  if (!folds.length || !title) return;
  const shown = () => localStorage.getItem("code") === "shown";
  const button = Object.assign(document.createElement("button"), { className: "code-switch", type: "button" });
  const set = () => {
    for (const fold of folds) fold.open = shown();
    button.textContent = shown() ? "Hide all code" : "Show all code";
    button.setAttribute("aria-pressed", shown());
  };
  button.addEventListener("click", () => {
    localStorage.setItem("code", shown() ? "folded" : "shown");
    set();
  });
  title.after(button);
  set();
});

// What an address names stays in sight when the formulas above it have found their
// size; that of a claim opens what is known of it.
const openNamed = () => {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches("tbody.claim")) named.querySelector("details")?.setAttribute("open", "");
  return named;
};
addEventListener("hashchange", openNamed);
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  openNamed()?.scrollIntoView({ behavior: "instant" });
});

// A link that is copied leads here from anywhere.
document.addEventListener("DOMContentLoaded", () => {
  for (const link of document.querySelectorAll(".claim .address pre")) {
    link.textContent = new URL(link.textContent, location.href).href;
  }
});

// What is on the page stands in the margin where there is one, else in the drawer.
document.addEventListener("DOMContentLoaded", () => {
  const contents = document.querySelector(".page-toc");
  const title = document.querySelector(".bd-article h1");
  if (!contents || !title) return;
  const drawer = contents.parentElement;
  const margin = matchMedia("(min-width: 1200px)");
  const place = () => (margin.matches ? title.after(contents) : drawer.append(contents));
  margin.addEventListener("change", place);
  place();
});

// What a claim or a reference says appears where one rests on its link, as that of a
// figure or a theorem does.
addEventListener("load", () => {
  for (const link of document.querySelectorAll(".bd-article a.internal[title]")) {
    tippy(link, { content: link.title, theme: "book", maxWidth: 480, placement: "auto-start" });
    link.removeAttribute("title");
  }
});

// A figure to take along, under its own name. (From the file system a browser does not
// let a page turn a drawing into pixels.)
const asPixels = async (image, name) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth * 4, image.naturalHeight * 4];
  const ink = canvas.getContext("2d");
  ink.fillStyle = "white";
  ink.fillRect(0, 0, canvas.width, canvas.height);
  ink.drawImage(image, 0, 0, canvas.width, canvas.height);
  const link = Object.assign(document.createElement("a"), { download: `${name}.png` });
  link.href = canvas.toDataURL("image/png");
  link.click();
};
document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll(".bd-article figure[id^=fig-]")) {
    const image = figure.querySelector("img[src$='.svg']");
    const caption = figure.querySelector("figcaption");
    if (!image || !caption) continue;
    const take = Object.assign(document.createElement("span"), { className: "take" });
    const drawing = Object.assign(document.createElement("a"), {
      href: image.src, download: `${figure.id}.svg`, textContent: "SVG",
    });
    const table = Object.assign(document.createElement("a"), {
      href: `_static/figures/${figure.id}.csv`, download: `${figure.id}.csv`, textContent: "CSV",
    });
    take.append(drawing, table);
    if (location.protocol !== "file:") {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "PNG" });
      button.addEventListener("click", () => asPixels(image, figure.id));
      take.append(button);
    }
    caption.append(take);
  }
});
