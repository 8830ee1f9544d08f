// The charts of a server: its counters, asked for every few seconds while the page is looked at.
"use strict";

const EVERY_MS = 3000, KEPT = 200, STILL_S = 30;

function charts(place) {
  const ink = getComputedStyle(document.body).color;
  const line = getComputedStyle(document.body).getPropertyValue("--link") || ink;
  const names = ["cpu", "memory", "disk", "network"];
  const times = [], values = Object.fromEntries(names.map((name) => [name, []]));
  const plots = {};
  let before = null;

  const draw = () => names.forEach((name) => {
    // What the host does not count is not drawn.
    if (values[name].at(-1) === null) return;
    if (!plots[name]) {
      const box = document.createElement("div");
      place.querySelector(".charts").append(box);
      const axis = { stroke: ink, grid: { stroke: "rgb(128 128 128 / .25)" }, ticks: { show: false } };
      plots[name] = new uPlot({
        title: place.dataset[name], width: Math.min(box.clientWidth || 300, 560), height: 170,
        series: [{}, { stroke: line, width: 2, label: place.dataset[name] }],
        axes: [axis, axis], legend: { show: false }, scales: { y: { range: (_, low, high) => [0, high || 1] } },
      }, [[], []], box);
    }
    plots[name].setData([times, values[name]]);
  });

  const take = async () => {
    if (document.hidden) return;
    const answer = await fetch(place.dataset.sample, { headers: { Accept: "application/json" } });
    const now = answer.ok ? counters(await answer.json()) : null;
    if (!now) { before = null; return; }
    // The host counts every few seconds: between two counts nothing is new.
    if (before && now.cpu === before.cpu && now.network === before.network && now.at - before.at < STILL_S) return;
    if (before) {
      const seconds = now.at - before.at, rate = (name) => Math.max(0, now[name] - before[name]) / seconds;
      times.push(now.at);
      values.cpu.push((100 * rate("cpu")) / now.cores);
      values.memory.push(now.memory);
      values.disk.push(now.disk === null ? null : rate("disk") / 1048576);
      values.network.push((8 * rate("network")) / 1e6);
      if (times.length > KEPT) [times, ...names.map((name) => values[name])].forEach((list) => list.shift());
      place.hidden = false;
      draw();
    }
    before = now;
  };
  take();
  setInterval(take, EVERY_MS);
}

// Nova's diagnostics of 2.48 and later: nanoseconds, bytes, MiB.
function counters(found) {
  if (!found.cpu_details) return null;
  const sum = (list, ...keys) => (list || []).reduce((all, one) => all + keys.reduce((part, key) => part + (one[key] || 0), 0), 0);
  return {
    at: Date.now() / 1000,
    cores: found.num_cpus || 1,
    cpu: sum(found.cpu_details, "time") / 1e9,
    memory: found.memory_details?.used ?? null,
    disk: found.disk_details?.some((one) => one.read_bytes != null) ? sum(found.disk_details, "read_bytes", "write_bytes") : null,
    network: sum(found.nic_details, "rx_octets", "tx_octets"),
  };
}

document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("charts");
  if (place && window.uPlot) charts(place);
});
