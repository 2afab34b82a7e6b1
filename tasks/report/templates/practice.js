// Draws the figures one after the other, so that the page answers meanwhile.
(function () {
  "use strict";
  const drawings = JSON.parse(document.getElementById("drawings").textContent);
  const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false, showTips: false };
  const waiting = Array.from(document.querySelectorAll(".plot"));

  function drawNext() {
    const place = waiting.shift();
    if (!place) {
      document.documentElement.dataset.drawn = "yes";
      return;
    }
    const drawing = drawings[place.id];
    if (drawing.layout.xaxis.type === "date") drawing.layout.xaxis.nticks = place.clientWidth < 450 ? 7 : 15;
    Plotly.newPlot(place, drawing.data, drawing.layout, config).then(() => setTimeout(drawNext));
  }

  // Numbers of the day before are those of the last night's run.
  const stale = document.getElementById("stale");
  const days = stale.dataset.day ? Math.floor((Date.now() - Date.parse(stale.dataset.day)) / 86400000) : 0;
  if (days > 1) {
    stale.lastElementChild.textContent = `These numbers are ${days} days old: no run has drawn them since.`;
    stale.hidden = false;
  }

  // Paper is narrower than the window: the pictures are drawn for it and back again.
  function resizeAll(width) {
    for (const place of document.querySelectorAll(".plot")) {
      if (place.data) Plotly.relayout(place, width ? { width: width } : { width: null, autosize: true });
    }
  }
  window.addEventListener("beforeprint", () => resizeAll(680));
  window.addEventListener("afterprint", () => resizeAll(0));
  drawNext();
})();
