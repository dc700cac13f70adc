// The scorecard shows the claims that were asked for; the address keeps the question.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.filters");
  const claims = [...document.querySelectorAll("tbody.claim")];
  const fields = [...form.querySelectorAll("select, input")];
  form.hidden = false;

  const fits = (claim, field) => {
    const wanted = field.value.trim();
    if (field.name === "source") return claim.dataset.source.includes(wanted);
    if (field.name !== "text") return !wanted || claim.dataset[field.name] === wanted;
    return claim.textContent.toLowerCase().includes(wanted.toLowerCase());
  };
  const show = () => {
    for (const claim of claims) claim.hidden = !fields.every((field) => fits(claim, field));
    const left = claims.filter((claim) => !claim.hidden).length;
    form.querySelector("output").textContent = `${left} of ${claims.length} claims`;
  };

  const asked = new URLSearchParams(location.search);
  for (const field of fields) field.value = asked.get(field.name) ?? "";
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const chosen = fields.filter((field) => field.value);
    const query = new URLSearchParams(chosen.map((field) => [field.name, field.value]));
    history.replaceState(null, "", chosen.length ? `?${query}` : location.pathname);
    show();
  });
  show();
});
