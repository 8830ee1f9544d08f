// The screen of a server: noVNC on the page's socket.
import RFB from "./novnc/core/rfb.js";

const screen = document.getElementById("screen"), status = document.getElementById("status");
const scheme = location.protocol === "https:" ? "wss" : "ws";
const rfb = new RFB(screen, `${scheme}://${location.host}/console/ws?token=${encodeURIComponent(screen.dataset.token)}`, {
  wsProtocols: ["binary"],
});
rfb.scaleViewport = true;
rfb.focusOnClick = true;
rfb.addEventListener("connect", () => { status.textContent = status.dataset.connected; rfb.focus(); });
rfb.addEventListener("disconnect", () => { status.textContent = status.dataset.lost; });
document.getElementById("ctrl-alt-del").addEventListener("click", () => rfb.sendCtrlAltDel());
document.getElementById("whole").addEventListener("click", () => screen.requestFullscreen());
