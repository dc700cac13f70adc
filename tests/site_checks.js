// What test_site.py asks of a page, from inside it.
window.checks = {
  content() {
    const found = [];
    const name = (e) => `${e.tagName.toLowerCase()} ${e.getAttribute("src") ?? e.id}`.trim();
    for (const image of document.images) {
      if (image.complete && image.naturalWidth === 0) found.push(`broken image: ${image.src}`);
    }
    for (const e of document.querySelectorAll(".bd-article :is(img, svg)")) {
      const silent = e.closest("[aria-hidden=true], .tb-icon, button, mjx-container");
      const named = e.getAttribute("alt") || e.getAttribute("aria-label") ||
        e.getAttribute("aria-labelledby") || e.querySelector("title");
      if (!silent && !named) found.push(`without a text alternative: ${name(e)}`);
    }
    for (const e of document.querySelectorAll(".math")) {
      if (!e.querySelector("mjx-container")) found.push(`maths is not typeset: ${e.textContent}`);
    }
    for (const e of document.querySelectorAll("mjx-merror, mjx-mtext[style*='color: red']")) {
      found.push(`maths is wrong: ${e.textContent}`);
    }
    const article = document.querySelector(".bd-article") ?? document.body;
    const words = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
      const text = words.currentNode.textContent;
      const code = words.currentNode.parentElement.closest("code, pre, script, style, .math");
      if (!code && /\$[^\s$][^$]*\$|\\[([]/.test(text)) found.push(`raw TeX: ${text.trim()}`);
    }
    return found;
  },

  // A displayed formula is seen whole; so is each label of a drawing beside the others.
  formulas() {
    const all = [...document.querySelectorAll(".bd-article mjx-container[display]")];
    const cut = all.filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1);
    return cut.map((e) => `formula cut off: ${e.closest("[id]")?.id}`);
  },

  links() {
    const all = [...document.querySelectorAll("a[href]")];
    return all.map((a) => new URL(a.getAttribute("href"), location.href).href);
  },

  // Of text against what lies behind it, by the WCAG formula.
  contrast() {
    const ink = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
      ink.clearRect(0, 0, 1, 1);
      ink.fillStyle = colour;
      ink.fillRect(0, 0, 1, 1);
      return ink.getImageData(0, 0, 1, 1).data;
    };
    const light = (colour) => {
      const [r, g, b] = [...rgb(colour)].slice(0, 3).map((c) => {
        const s = c / 255;
        return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (e) => {
      for (; e; e = e.parentElement) {
        const colour = getComputedStyle(e).backgroundColor;
        if (rgb(colour)[3] === 255) return colour;
      }
      return "white";
    };
    const ratios = {};
    const texts = ["p", "p a:not(.headerlink)", "figcaption", "h2", "pre", "pre span", ".verdict", ".label", "td", "aside"];
    for (const text of texts) {
      for (const e of document.querySelectorAll(`.bd-article ${text}`)) {
        if (!e.textContent.trim()) continue;
        const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        ratios[text] = Math.min(ratio, ratios[text] ?? 21);
      }
    }
    return ratios;
  },

  width() {
    const page = document.documentElement;
    const [wide, room] = [page.scrollWidth, page.clientWidth];
    return wide > room ? [`${wide} px, wider than the screen of ${room} px`] : [];
  },
};
