// What pages do by themselves. Each part looks for its own attribute; without this file all forms still post.
"use strict";

// A page follows what it shows: the server sends its changing part whenever it changed.
function follow(part) {
  let source = null;
  const start = () => {
    if (source || document.hidden) return;
    source = new EventSource(`/live?page=${encodeURIComponent(part.dataset.live)}`);
    source.addEventListener("part", (event) => show(part, JSON.parse(event.data)));
    // The session ended, or what was shown is gone: the page itself says which.
    source.addEventListener("gone", () => { stop(); location.reload(); });
  };
  const stop = () => { if (source) { source.close(); source = null; } };
  // A hidden page needs nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  start();
}

function show(part, html) {
  Idiomorph.morph(part, html, {
    morphStyle: "innerHTML",
    ignoreActiveValue: true,
    callbacks: {
      // What the reader opened or typed stays.
      beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
      beforeNodeMorphed: (old) => !(old.tagName === "DETAILS" && old.open) && !isField(old),
    },
  });
}

function isField(node) {
  return node.matches?.("input:not([type=hidden]), textarea, select") ?? false;
}

// A slider and its number show the same; either picks the choice it belongs to.
function slide(slider) {
  const number = document.getElementById(slider.dataset.slides);
  slider.hidden = false;
  slider.addEventListener("input", () => { number.value = slider.value; pick(number); });
  number.addEventListener("input", () => { slider.value = number.value; });
}

function pick(field) {
  const choice = document.getElementById(field.dataset.picks);
  if (choice) choice.checked = true;
}

// An upload: the image is made, then its data sent, with its progress shown.
function upload(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const bar = form.querySelector("progress"), status = form.querySelector("[role=status]");
    const button = form.querySelector("button"), file = form.querySelector("input[type=file]").files[0];
    const csrf = form.querySelector("[name=csrf]").value;
    button.disabled = true;
    const made = await fetch(form.action, {
      method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" },
    });
    if (!made.ok) { form.submit(); return; }
    const { id } = await made.json();
    const request = new XMLHttpRequest();
    request.open("PUT", `/images/${id}/file`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-CSRF", csrf);
    bar.hidden = false;
    request.upload.onprogress = (sent) => {
      bar.value = (100 * sent.loaded) / (sent.total || 1);
      status.textContent = `${Math.floor(bar.value)} %`;
    };
    request.onload = () => {
      if (request.status < 300) { location.assign("/images?done=changed"); return; }
      status.textContent = status.dataset.failed;
      button.disabled = false;
    };
    request.onerror = request.onload;
    request.send(file);
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const part = document.querySelector("[data-live]");
  if (part && window.Idiomorph) follow(part);
  document.querySelectorAll("[data-slides]").forEach(slide);
  document.querySelectorAll("[data-picks]").forEach((field) => field.addEventListener("input", () => pick(field)));
  document.querySelectorAll("form[data-upload]").forEach(upload);
});
