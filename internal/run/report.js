// A click on an image enlarges it; the arrow keys lead to the images before and after.
(function () {
  // The tree shows the images of the candidates below it.
  document.querySelectorAll("img[data-of]").forEach(function (img) {
    var source = document.querySelector("#c" + img.dataset.of + " .picture img");
    if (source) img.src = source.src;
  });
  if (window.reflectionflowElapsed) {
    document.getElementById("elapsed").hidden = false;
    document.querySelector("#elapsed dd").textContent = window.reflectionflowElapsed;
    document.querySelector("#elapsed dt").textContent = window.reflectionflowElapsedName || "elapsed";
  }
  var view = document.getElementById("view");
  if (!view || !view.showModal) return;
  var large = view.querySelector(".picture"), words = view.querySelector("p"), list = [], at = 0;
  document.querySelectorAll("#all .card").forEach(function (card) {
    if (card.querySelector(".picture img")) list.push(card);
  });
  function show(i) {
    at = (i + list.length) % list.length;
    var from = list[at].querySelector(".picture");
    large.innerHTML = from.innerHTML;
    large.style.aspectRatio = from.style.aspectRatio;
    large.style.setProperty("--ratio", from.dataset.ratio);
    words.textContent = list[at].dataset.words;
  }
  document.querySelectorAll("[data-open]").forEach(function (link) {
    link.addEventListener("click", function (event) {
      var i = list.findIndex(function (card) { return card.id === "c" + link.dataset.open; });
      if (i < 0) return;
      event.preventDefault();
      show(i);
      view.showModal();
    });
  });
  view.addEventListener("keydown", function (event) {
    if (event.key === "ArrowRight") show(at + 1);
    if (event.key === "ArrowLeft") show(at - 1);
  });
  view.addEventListener("click", function (event) {
    if (event.target.dataset.step) show(at + Number(event.target.dataset.step));
    else view.close();
  });
  document.querySelectorAll("[data-copy]").forEach(function (button) {
    if (!navigator.clipboard) { button.hidden = true; return; }
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(button.previousElementSibling.textContent).then(function () { button.textContent = "Copied"; });
    });
  });
})();
