// The serial console of a server: xterm.js on the page's socket.
"use strict";

// The terminal makes style elements of its own; the page's policy takes those that carry its nonce.
const place = document.getElementById("terminal");
const make = document.createElement.bind(document);
document.createElement = (name, options) => {
  const element = make(name, options);
  if (String(name).toLowerCase() === "style") element.nonce = place.dataset.nonce;
  return element;
};

const status = document.getElementById("status");
const terminal = new Terminal({ cursorBlink: false, fontSize: 14, screenReaderMode: true });
const fit = new FitAddon.FitAddon();
terminal.loadAddon(fit);
terminal.open(place);
fit.fit();
window.addEventListener("resize", () => fit.fit());

const scheme = location.protocol === "https:" ? "wss" : "ws";
const socket = new WebSocket(
  `${scheme}://${location.host}/console/ws?token=${encodeURIComponent(place.dataset.token)}`, ["binary"],
);
socket.binaryType = "arraybuffer";
socket.onopen = () => { status.textContent = status.dataset.connected; terminal.focus(); };
socket.onclose = () => { status.textContent = status.dataset.lost; };
socket.onmessage = (event) =>
  terminal.write(typeof event.data === "string" ? event.data : new Uint8Array(event.data));
terminal.onData((text) => socket.readyState === 1 && socket.send(new TextEncoder().encode(text)));
