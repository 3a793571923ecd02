// A link to something folded unfolds it.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (target?.closest("details")) target.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();

const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// A box that is narrower than what it has says so.
const hint = (box) => box.classList.toggle("cut", box.scrollWidth > box.clientWidth + 2);
const watching = new ResizeObserver((entries) => entries.forEach((entry) => hint(entry.target)));
for (const box of document.querySelectorAll(".scroll")) watching.observe(box);

// A field that keeps those of some elements that have all its words; `texts` gives each one's.
const finder = (what, elements, texts, keep) => {
  const count = make("span", { role: "status" });
  const field = make("input", { type: "search", placeholder: `Filter ${what}`, ariaLabel: `Filter ${what}` });
  const update = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    elements.forEach((element, index) => {
      const fits = (!keep || keep(element)) && words.every((word) => texts[index].includes(word));
      element.hidden = !fits;
      shown += fits;
    });
    count.textContent = shown === elements.length ? "" : `${shown} of ${elements.length}`;
  };
  field.addEventListener("input", update);
  return { field, count, update };
};

for (const place of document.querySelectorAll(".finder")) {
  const elements = [...document.querySelectorAll(place.dataset.finds)];
  const texts = elements.map((element) => element.querySelector("summary").textContent.toLowerCase());
  const { field, count } = finder(place.dataset.what, elements, texts);
  const folds = place.closest("section").querySelectorAll("details.extra");
  field.addEventListener("input", () => {
    for (const fold of folds) fold.open = field.value !== "" && fold.querySelector("details:not([hidden])") !== null;
  });
  place.append(field, count);
}
