// A number in the table of scores shows the images that it counts.
(function () {
  var chosen = document.getElementById("chosen"), words = chosen.firstElementChild;
  function show(c) {
    var all = !c.strategy, right = 0, total = 0;
    document.querySelectorAll(".prompt").forEach(function (p) {
      var fits = (!c.tag || p.dataset.tag === c.tag) && (!c.level || p.dataset.level === c.level);
      p.hidden = !fits;
      p.querySelectorAll(".strategy").forEach(function (s) { s.hidden = !all && s.dataset.strategy !== c.strategy; });
      p.querySelectorAll(".answer").forEach(function (a) {
        a.hidden = !all && a.dataset.budgets.split(" ").indexOf(c.budget) < 0;
        if (fits && !a.hidden && !a.closest(".strategy").hidden) { total++; if (a.classList.contains("right")) right++; }
      });
    });
    document.querySelectorAll(".task").forEach(function (t) { t.hidden = !t.querySelector(".prompt:not([hidden])"); if (!all) t.open = true; });
    document.body.classList.toggle("filtered", !all);
    chosen.hidden = all;
    words.textContent = all ? "" : c.strategy + " at " + c.budget + (c.tag ? ", " + c.tag : "") + (c.level ? ", " + c.level + " prompts" : "") + ": " + right + " of " + total + " right";
  }
  document.querySelectorAll(".number a").forEach(function (a) {
    a.addEventListener("click", function () { show(a.dataset); });
  });
  chosen.lastElementChild.addEventListener("click", function () { show({}); });
})();
