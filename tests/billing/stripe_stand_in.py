"""A program that speaks the part of Stripe's API that we use: checkout pages with 3-D Secure, saved cards,
and signed events. It knows Stripe's test cards by their numbers."""

import json
import threading
from base64 import b64decode
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GOOD, ASKS_THE_BANK, DECLINED = "4242424242424242", "4000002760003184", "4000000000000002"
KEY = "sk_test_stand_in"


class Stripe(ThreadingHTTPServer):
    """`url` is its origin. `tell(event)` is called for each event, as a webhook would be."""

    daemon_threads = True

    def __init__(self, tell):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tell = tell
        self.sessions, self.intents, self.by_key = {}, {}, {}
        self.asked = Counter()
        self.card_asks_again = False
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def begin(self, form):
        number = len(self.sessions) + 1
        item = "line_items[0][price_data]"
        session = {
            "id": f"cs_test_{number}",
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(form[f"{item}[unit_amount]"]) * int(form["line_items[0][quantity]"]),
            "currency": form[f"{item}[currency]"],
            "client_reference_id": form["client_reference_id"],
            "success_url": form["success_url"],
            "payment_intent": None,
            "customer": None,
            "url": f"{self.url}/pay/cs_test_{number}",
        }
        self.sessions[session["id"]] = session
        return session

    def charge(self, form):
        number = len(self.intents) + 1
        intent = {
            "id": f"pi_{number}",
            "object": "payment_intent",
            "amount": int(form["amount"]),
            "currency": form["currency"],
            "customer": form["customer"],
            "payment_method": form["payment_method"],
            "status": "requires_action" if self.card_asks_again else "succeeded",
        }
        self.intents[intent["id"]] = intent
        if self.card_asks_again:
            error = {"type": "card_error", "code": "authentication_required", "payment_intent": intent}
            return 402, {"error": error}
        return 200, intent

    def paid(self, session):
        intent = {
            "id": f"pi_{len(self.intents) + 1}",
            "status": "succeeded",
            "amount": session["amount_total"],
            "currency": session["currency"],
            "payment_method": "pm_card",
        }
        self.intents[intent["id"]] = intent
        done = {"status": "complete", "payment_status": "paid", "customer": "cus_1", "url": None}
        session.update(done, payment_intent=intent["id"])
        self.tell({"id": "evt_1", "type": "checkout.session.completed", "data": {"object": dict(session)}})


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = urlsplit(self.path)
        kind, name = parts.path.strip("/").split("/")[-2:]
        self.server.asked[f"GET {kind}"] += 1
        if kind == "sessions" and self._is_signed():
            session = dict(self.server.sessions[name])
            if "expand" in parts.query and session["payment_intent"]:
                session["payment_intent"] = self.server.intents[session["payment_intent"]]
            self._answer(200, session)
        elif kind == "payment_intents" and self._is_signed():
            self._answer(200, self.server.intents[name])

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
        path = urlsplit(self.path).path
        self.server.asked[f"POST {path}"] += 1
        if path.startswith("/v1/"):
            if self._is_signed():
                key = self.headers["Idempotency-Key"]
                if key not in self.server.by_key:
                    make = {"/v1/checkout/sessions": lambda f: (200, self.server.begin(f))}
                    self.server.by_key[key] = make.get(path, self.server.charge)(form)
                self._answer(*self.server.by_key[key])
            return
        step, name = path.strip("/").split("/")
        session = self.server.sessions[name]
        if step == "pay" and form["card"] == DECLINED:
            self._answer(402, {"error": {"type": "card_error", "code": "card_declined"}})
        elif step == "pay" and form["card"] == ASKS_THE_BANK:
            self._redirect(f"/secure/{name}")
        else:
            self.server.paid(session)
            self._redirect(session["success_url"])

    def _is_signed(self):
        word = self.headers.get("Authorization", "").partition("Basic ")[2]
        if b64decode(word).decode() == f"{KEY}:":
            return True
        self._answer(401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key"}})
        return False

    def _redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
