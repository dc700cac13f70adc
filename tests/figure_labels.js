// Pairs of labels of a drawing that overlap, and labels that an axis runs through.
() => {
  const GAP = 2;
  const box = (e) => e.getBoundingClientRect();
  const words = (e) => e.innerHTML.match(/<!--(.*?)-->/)?.[1].trim();
  const all = [...document.querySelectorAll("g[id^=text_]")];
  const texts = all.map((e) => ({ box: box(e), words: words(e) })).filter((t) => t.box.width);
  const paths = [...document.querySelectorAll("g[id^=patch_] path")].map(box);
  const axes = paths.filter((b) => b.width < 1 || b.height < 1);
  const shared = (a, b) => [
    Math.min(a.right, b.right) - Math.max(a.left, b.left),
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top),
  ];
  const meet = (a, b, least) => shared(a, b).every((length) => length > least);
  const pairs = texts.flatMap((one, place) =>
    texts.slice(place + 1).filter((other) => meet(one.box, other.box, GAP))
      .map((other) => `${one.words} and ${other.words}`));
  const struck = texts.filter((text) => axes.some((axis) => meet(text.box, axis, -GAP)));
  return [...pairs, ...struck.map((text) => `${text.words} and an axis`)];
}
